"""Fetch the champion: the model in service, from the registry."""

from kfp import dsl
from kfp.dsl import Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def fetch_champion(out: Output[Model], task: str) -> None:
    """Write the champion's model folder, or a note that there is none."""
    from pathlib import Path

    from voxloop.jobs import fetch_champion as job

    job.fetch_champion(Path(out.path), task=task)
