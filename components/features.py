"""Features: prosody, words and emotion history, the offline source of the feature store."""

from kfp import dsl
from kfp.dsl import Dataset, Input, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def features(dataset: Input[Dataset], out: Output[Dataset], overrides: list[str]) -> None:
    """Write the feature tables of a dataset."""
    from pathlib import Path

    from voxloop.jobs import features as job

    job.features(Path(dataset.path), Path(out.path), overrides=tuple(overrides))
