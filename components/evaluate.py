"""Evaluate: challenger and champion answer the same frozen test split."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def evaluate(
    model: Input[Model],
    dataset: Input[Dataset],
    champion: Input[Model],
    features: Input[Dataset],
    out: Output[Artifact],
    task: str,
    overrides: list[str],
) -> None:
    """Write the answers of both models per utterance, and the measures over them."""
    from pathlib import Path

    from voxloop.jobs import evaluate as job

    job.evaluate(
        Path(model.path),
        Path(dataset.path),
        Path(champion.path),
        Path(out.path),
        task=task,
        features=Path(features.path),
        overrides=tuple(overrides),
    )
