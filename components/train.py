"""Train: a network learns from the training split, watched on the development split."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def train(
    dataset: Input[Dataset],
    features: Input[Dataset],
    out: Output[Artifact],
    task: str,
    config: str,
    overrides: list[str],
) -> None:
    """Write weights and the training report of one task under one of its configurations."""
    from pathlib import Path

    from voxloop.jobs import train as job

    job.train(
        Path(dataset.path),
        Path(out.path),
        task=task,
        config=config,
        features=Path(features.path),
        overrides=tuple(overrides),
    )
