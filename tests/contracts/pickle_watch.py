"""Reads every kind of file a training reads, with pickle under watch; ends in one JSON line of what was unpickled.

`python pickle_watch.py FOLDER [control]`: with `control`, a pickle is read too, which must be noticed.
"""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.faults.hostile_models import make_weights
from tests.unit.training.tones import write_tones
from voxloop.data.known_features import read_rows
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.model_folder import check_model_folder
from voxloop.store.plain_files import read_json_object
from voxloop.training.averaging import WeightAverage
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.export import export_model, load_trained
from voxloop.training.export_config import ExportConfig
from voxloop.training.state import gather_state, restore_state

FOUND: list[str] = []


def watch() -> None:
    """Note each object a pickle asks for (the interpreter's own audit event) and each call that would read one."""

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "pickle.find_class":
            FOUND.append(f"find_class {arguments}")

    def noted(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            FOUND.append(name)
            return inner(*arguments, **named)

        return call

    class Noted(pickle.Unpickler):
        """A class, for modules imported from now on may derive their own from it."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            FOUND.append("pickle.Unpickler")
            super().__init__(*arguments, **named)

    sys.addaudithook(note)
    for name in ("load", "loads"):
        setattr(pickle, name, noted(f"pickle.{name}", getattr(pickle, name)))
    pickle.Unpickler = Noted  # type: ignore[misc]
    torch.load = noted("torch.load", torch.load)


def read_everything(folder: Path) -> list[str]:
    """Return what was read."""
    dataset, weights, model, places = (folder / name for name in ("dataset", "weights", "model", "checkpoints"))
    write_tones(dataset)
    make_weights(weights)
    model.mkdir()
    watch()
    network = load_trained(weights).network
    optimiser = torch.optim.AdamW(network.parameters())
    average = WeightAverage(network, 0.9)
    CheckpointStore(places, keep=1).save(1, gather_state(network, optimiser, average), {"step": 1})
    found = CheckpointStore(places, keep=1).load_newest()
    assert found is not None
    restore_state(found.tensors, network, optimiser, average)
    assert len(read_rows(dataset, "train", None)) > 0
    export_model(weights, model, ExportConfig(opset=18, tolerance=1e-4, frame_tolerance=1e-3, seconds=(0.3, 1.7)))
    check_model_folder(model)
    ExportedModel(model, threads=1)
    read_json_object(model / "model.json")
    return ["weights", "checkpoint", "parquet", "onnx", "json"]


if __name__ == "__main__":
    done = read_everything(Path(sys.argv[1]))
    if sys.argv[2:] == ["control"]:
        pickle.loads(pickle.dumps(Path("x")))  # noqa: S301
    print(json.dumps({"read": done, "unpickled": FOUND}))
