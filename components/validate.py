"""Validate: the dataset is checked before anything is learnt from it."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def validate(
    dataset: Input[Dataset],
    previous: Input[Model],
    out: Output[Artifact],
    task: str,
    overrides: list[str],
) -> str:
    """Write the data report and return its verdict: PASS, FAIL or CANNOT_TELL."""
    from pathlib import Path

    from voxloop.jobs import validate as job

    return str(
        job.validate(
            Path(dataset.path),
            Path(out.path),
            task=task,
            previous=Path(previous.path),
            overrides=tuple(overrides),
        )
    )
