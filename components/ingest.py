"""Ingest: a corpus folder, or the built-in speaker world, becomes utterance shards and a manifest."""

from kfp import dsl
from kfp.dsl import Dataset, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def ingest(out: Output[Dataset], corpus: str, path: str, recorded_before: str, overrides: list[str]) -> None:
    """Write the dataset folder of `corpus`; an empty `path`: it needs none; an empty `recorded_before`: no bound."""
    from pathlib import Path

    from voxloop.jobs import ingest as job

    job.ingest(
        out=Path(out.path),
        corpus=corpus,
        path=Path(path) if path else None,
        recorded_before=recorded_before,
        overrides=tuple(overrides),
    )
