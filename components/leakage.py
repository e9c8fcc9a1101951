"""Leakage: nothing that a model is tested on may be among what it learns from."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def leakage(dataset: Input[Dataset], out: Output[Artifact], task: str, overrides: list[str]) -> str:
    """Write the leakage report and return its verdict: PASS, FAIL or CANNOT_TELL."""
    from pathlib import Path

    from voxloop.jobs import leakage as job

    return str(job.leakage(Path(dataset.path), Path(out.path), task=task, overrides=tuple(overrides)))
