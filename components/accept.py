"""Accept: what validate, leakage and poison said of the data, as one verdict."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def accept(
    dataset: Input[Dataset],
    report: Input[Artifact],
    leakage: Input[Artifact],
    poison: Input[Artifact],
    champion: Input[Model],
    out: Output[Artifact],
    task: str,
    poison_policy: str,
) -> str:
    """Write the acceptance with the three reports and return its verdict: PASS, FAIL or CANNOT_TELL."""
    from pathlib import Path

    from voxloop.jobs import accept as job

    return str(
        job.accept(
            Path(dataset.path),
            Path(report.path),
            Path(leakage.path),
            Path(poison.path),
            Path(out.path),
            champion=Path(champion.path),
            task=task,
            poison_policy=poison_policy,
        )
    )
