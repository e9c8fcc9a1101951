"""Gate: the evaluation is held against a policy."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def gate(
    evaluation: Input[Artifact],
    dataset: Input[Artifact],
    out: Output[Artifact],
    task: str,
    policy: str,
    bootstrap: bool,
    because: str,
    reason_set: str,
    players: int,
) -> str:
    """Write the verdict with its reasons and return it: PASS, FAIL or CANNOT_TELL."""
    from pathlib import Path

    from voxloop.jobs import gate as job

    return str(
        job.gate(
            Path(evaluation.path),
            Path(out.path),
            task=task,
            policy=policy,
            bootstrap=bootstrap,
            because=because,
            reason_set=reason_set,
            dataset=Path(dataset.path),
            players=players,
        )
    )
