"""Exports of all three families, untrained: seconds instead of minutes."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.services.pipeline_folders import write_model
from voxloop.config import load_config
from voxloop.data.schema import TRAITS
from voxloop.tasks import get_task
from voxloop.training.export import export_model
from voxloop.training.export_config import ExportConfig

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
ENCODINGS: dict[str, dict[str, Any]] = {
    "asr": {"symbols": ["_", *" abcdefghijklmnopqrstuvwxyz"]},
    "personality": {
        "kind": "regression",
        "modalities": ["voice", "words"],
        "traits": [{"name": name, "mean": 4.0, "sd": 1.0, "threshold": 4.0} for name in TRAITS],
        "features": [
            {"name": "f0_mean_hz", "centre": 150.0, "spread": 40.0},
            {"name": "pause_share", "centre": 0.2, "spread": 0.1},
        ],
        "clip": 4.0,
        "vocabulary": {"words": ["i", "love", "parties"], "weights": [1.0, 1.5, 2.0], "pairs": False, "longest": 100},
        "answer_range": [1.0, 7.0],
    },
}


def write_export(folder: Path, task: str) -> Path:
    """Write a model folder: that of an untrained network by the way every model goes, of emotion one by hand."""
    if task == "emotion":
        write_model(folder, task=task, gain=1.0)
        return folder
    weights = folder.with_name(f"{folder.name}-weights")
    weights.mkdir(parents=True)
    folder.mkdir()
    family = get_task(task)
    config = load_config(family.Config, CONFIGS / "tasks" / task / "smoke.yaml")
    encoding = family.Encoding.model_validate(ENCODINGS[task])
    torch.manual_seed(5)
    network = family.build_network(config, encoding)
    for parameter in network.parameters():  # some begin at zero, and would answer the same to everything
        torch.nn.init.normal_(parameter, std=0.2)
    save_file(network.state_dict(), weights / "weights.safetensors")
    report = {
        "task": task,
        "encoding": encoding.model_dump(mode="json"),
        "config": config.model_dump(mode="json"),
        "dataset_digest": "d" * 64,
    }
    (weights / "training.json").write_text(json.dumps(report))
    export_model(weights, folder, _read_export_config())
    return folder


@lru_cache(maxsize=1)
def _read_export_config() -> ExportConfig:
    return load_config(ExportConfig, CONFIGS / "export.yaml", ["seconds=[0.3, 1.0, 2.5]"])
