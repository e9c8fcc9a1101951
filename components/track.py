"""Track: everything a run made is logged as one MLflow run, whatever the verdict."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def track(
    weights: Input[Artifact],
    model: Input[Model],
    acceptance: Input[Artifact],
    evaluation: Input[Artifact],
    verdict: Input[Artifact],
    out: Output[Artifact],
    task: str,
    retrain_id: str,
) -> None:
    """Write the id of the MLflow run that holds the evidence."""
    from pathlib import Path

    from voxloop.jobs import track as job

    job.track(
        Path(weights.path),
        Path(model.path),
        Path(acceptance.path),
        Path(evaluation.path),
        Path(verdict.path),
        Path(out.path),
        task=task,
        retrain_id=retrain_id,
    )
