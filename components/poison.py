"""Poison: labels that look flipped and recordings that look foreign, by speaker and source."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def poison(dataset: Input[Dataset], out: Output[Artifact], task: str, policy: str, overrides: list[str]) -> str:
    """Write the label audit and return its verdict: PASS, FAIL or CANNOT_TELL."""
    from pathlib import Path

    from voxloop.jobs import poison as job

    return str(job.poison(Path(dataset.path), Path(out.path), task=task, policy=policy, overrides=tuple(overrides)))
