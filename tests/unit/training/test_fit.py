"""A real training on a tiny dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.tones import TINY, write_tones
from voxloop.config import find_config, load_config
from voxloop.errors import CorpusError, VoxloopError
from voxloop.store.digests import digest_file, digest_tree
from voxloop.tasks import emotion, get_task
from voxloop.training.fit import fit_task

TASK = get_task("emotion")


def tiny(*overrides: str) -> emotion.EmotionConfig:
    return load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"), (*TINY, *overrides))


def test_it_learns_what_there_is_to_learn(weights: Path) -> None:
    report = json.loads((weights / "training.json").read_text())
    assert report["dev_uar"] > 0.8
    assert report["history"][report["best_epoch"] - 1]["dev_uar"] == report["dev_uar"]
    assert report["dev_uar"] == max(epoch["dev_uar"] for epoch in report["history"])


def test_the_report_tells_what_was_done(weights: Path, tones: Path, recipe: emotion.EmotionConfig) -> None:
    report = json.loads((weights / "training.json").read_text())
    assert report["labels"] == list(emotion.LABELS)
    assert report["dataset_digest"] == digest_tree(tones)
    assert emotion.EmotionConfig.model_validate(report["config"]) == recipe
    assert report["parameters"] == sum(value.numel() for value in load_file(weights / "weights.safetensors").values())
    assert (weights / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_same_inputs_same_bytes(weights: Path, tones: Path, recipe: emotion.EmotionConfig, tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(99)
    fit_task(tones, tmp_path, task=TASK, recipe=recipe)
    assert digest_file(tmp_path / "weights.safetensors") == digest_file(weights / "weights.safetensors")
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_another_seed_gives_other_weights(weights: Path, tones: Path, tmp_path: Path) -> None:
    fit_task(tones, tmp_path, task=TASK, recipe=tiny("seed=8", "epochs=1"))
    assert digest_file(tmp_path / "weights.safetensors") != digest_file(weights / "weights.safetensors")


def test_it_stops_when_nothing_gets_better(tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit_task(tones, tmp_path, task=TASK, recipe=tiny("epochs=30", "patience=2", "optimiser.learning_rate=1e-12"))
    report = json.loads((tmp_path / "training.json").read_text())
    assert report["best_epoch"] == 1
    assert len(report["history"]) == 3
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert len(lines) == 3
    assert "audio s/s" in lines[0]


def test_a_loss_that_is_not_a_number_stops_it(tones: Path, tmp_path: Path) -> None:
    recipe = tiny("optimiser.learning_rate=1e30", "optimiser.warmup_share=0", "epochs=3")
    with pytest.raises(VoxloopError, match=r"the loss is (nan|inf) in epoch \d+, (dev )?batch \d+; .*learning_rate"):
        fit_task(tones, tmp_path, task=TASK, recipe=recipe)
    assert not list(tmp_path.iterdir())


def test_a_dataset_without_dev_speakers_is_refused(tmp_path: Path) -> None:
    from tests.unit.training.tones import tone_rows

    dataset = write_tones(tmp_path / "only-train", tone_rows({"train": 1}))
    with pytest.raises(CorpusError, match="only-train/dev"):
        fit_task(dataset, tmp_path / "out", task=TASK, recipe=tiny())
