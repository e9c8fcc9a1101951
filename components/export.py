"""Export: weights become an ONNX graph from the task's request to its answer, with a parity report."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model, Output

from components import images


@dsl.component(base_image=images.VOXLOOP, install_kfp_package=False)
def export(weights: Input[Artifact], out: Output[Model], overrides: list[str]) -> None:
    """Write the model folder: what is evaluated is what is served."""
    from pathlib import Path

    from voxloop.jobs import export as job

    job.export(Path(weights.path), Path(out.path), overrides=tuple(overrides))
