"""Export trained weights as one ONNX graph."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import Overrides, find_config, load_config, resolved
from voxloop.store.job_store import run_step


def export(weights: Path, out: Path, *, overrides: Overrides = ()) -> Path:
    """Export weights as an ONNX graph from waveform to answer, and prove it against torch.

    Writes the graph (`model.onnx`), its description (`model.json`), requests with their answers
    (`golden.safetensors`) and the comparison (`parity.json`).

    Args:
        weights: Folder written by train.
        out: Folder to write; it must be empty or not there.
        overrides: Changes to configs/export.yaml.

    Returns:
        The folder written.

    Raises:
        InputError: The folder was not written by train.
        VoxloopError: The graph and torch disagree.
    """
    from voxloop.training.export_config import ExportConfig

    config = load_config(ExportConfig, find_config("export"), overrides)

    def work(folder: Path) -> None:
        from voxloop.training.export import export_model

        export_model(weights, folder, config)

    return run_step(
        "export",
        inputs={"weights": weights},
        config={"config": resolved(config)},
        out=out,
        work=work,
    )
