"""Register: a model that passed becomes a version in the registry, alias `challenger`."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def register(
    run: Input[Artifact],
    model: Input[Model],
    evaluation: Input[Artifact],
    verdict: Input[Artifact],
    out: Output[Artifact],
    task: str,
) -> None:
    """Write the name and number of the model version."""
    from pathlib import Path

    from voxloop.jobs import register as job

    job.register(Path(run.path), Path(model.path), Path(evaluation.path), Path(verdict.path), Path(out.path), task=task)
