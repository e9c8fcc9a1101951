"""Trainings on top of a pretrained encoder: what moves, how fast, going on, and the exported graph."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.soak import in_soak
from tests.unit.jobs.datasets import write_dataset
from tests.unit.tasks.asr_tones import tone_waveform
from tests.unit.tasks.tiny_backbones import write_backbone
from tests.unit.training.tones import tone_row
from voxloop.config import build_config, find_config, load_config
from voxloop.data.schema import Utterance, make_row
from voxloop.errors import ConfigError, InputError, TrainingInterruptedError
from voxloop.jobs.train import train
from voxloop.store.digests import digest_file, digest_tree
from voxloop.tasks import asr, emotion, get_task
from voxloop.tasks.backbone_source import read_pretrained, settle
from voxloop.training.backbone_note import NOTE_NAME
from voxloop.training.export import export_model
from voxloop.training.export_config import ExportConfig
from voxloop.training.fit import fit_task
from voxloop.training.interruption import Interruption
from voxloop.training.launch import train_task
from voxloop.training.optimisation import build_optimiser, freeze, set_rate

pytest.importorskip("transformers", reason="of the extra pretrained")

EXPORT = ExportConfig(opset=18, tolerance=1e-4, frame_tolerance=1e-3, seconds=(0.3, 0.02, 1.7, 0.9))
SHORT = (
    "epochs=3",
    "patience=3",
    "optimiser.learning_rate=1e-2",
    "optimiser.average_decay=0.9",
    "batching.audio_seconds=6",
)
SIZES = ("network.hidden=16", "network.attention=8", "network.dropout=0.1", "augmentation.time_mask=5")
STILL: dict[str, Any] = dict.fromkeys(
    ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0
)
LAYER = "backbone.model.encoder.layers."


def recipe(source: Path, *overrides: str) -> emotion.EmotionConfig:
    names = (*SHORT, *SIZES, f"backbone.source={source}", "backbone.revision=null", "backbone.rate=0.5", *overrides)
    return load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "pretrained"), names)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [tone_row(label, split, 0) for split in ("train", "dev", "test") for label in emotion.LABELS]
    rows += [tone_row(label, "train", 1) for label in emotion.LABELS]
    return write_dataset(tmp_path_factory.mktemp("few") / "data", rows)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    write_backbone(folder, "wavlm", feat_extract_norm="group")
    return folder


@pytest.fixture(scope="module")
def trained(few: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    fit_task(few, folder, task=get_task("emotion"), recipe=recipe(source, "backbone.frozen_layers=1"))
    return folder


def test_what_is_frozen_keeps_every_bit_and_the_rest_moves(trained: Path, source: Path) -> None:
    before = read_pretrained(settle(recipe(source)))
    after = load_file(trained / "weights.safetensors")
    same = {name for name, value in before.items() if torch.equal(value, after[name])}
    moved = {name for name in before if name.startswith(f"{LAYER}1.")}
    assert same == before.keys() - moved
    assert moved
    history = json.loads((trained / "training.json").read_text())["history"]
    assert history[-1]["dev_loss"] < history[0]["dev_loss"]


def test_the_report_says_what_it_began_from(trained: Path, source: Path) -> None:
    found = json.loads((trained / "training.json").read_text())["config"]["backbone"]["found"]
    assert found["digest"] == digest_file(source / "model.safetensors")
    assert (found["architecture"]["model_type"], found["architecture"]["num_hidden_layers"]) == ("wavlm", 2)


def test_rates_fall_from_layer_to_layer(source: Path) -> None:
    settled = settle(recipe(source, "backbone.rate=0.4", "backbone.layer_decay=0.5", "backbone.freeze_features=false"))
    task = get_task("emotion")
    network = task.build_network(settled, emotion.EmotionEncoding(labels=emotion.LABELS, weights=(1.0,) * 6))
    freeze(network, task, settled)
    optimiser = build_optimiser(network, task, settled)
    warm = 1 + int(100 * settled.optimiser.warmup_share)
    set_rate(optimiser, warm, 100, settled.optimiser)
    rates = {id(one): group["lr"] for group in optimiser.param_groups for one in group["params"]}
    top = rates[id(network.get_parameter("classify.weight"))]
    assert 0 < top <= 1e-2
    names = (f"{LAYER}1.layer_norm.bias", f"{LAYER}0.layer_norm.bias", "backbone.model.encoder.layer_norm.bias")
    shares = [rates[id(network.get_parameter(name))] / top for name in names]
    assert shares == pytest.approx([0.4, 0.2, 0.1])
    assert id(network.get_parameter("backbone.model.masked_spec_embed")) not in rates


class Stop(Interruption):
    """Asks to stop when it has been looked at so many times."""

    looks = 4

    @property
    def reason(self) -> str | None:
        self.looks -= 1
        return None if self.looks > 0 else "a test"


def test_it_goes_on_without_the_source(few: Path, source: Path, tmp_path: Path) -> None:
    copy, task = tmp_path / "source", get_task("emotion")
    shutil.copytree(source, copy)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    config = recipe(copy, "checkpoints.every_seconds=0")
    fit_task(few, tmp_path / "whole", task=task, recipe=config)
    with pytest.raises(TrainingInterruptedError):
        parts: dict[str, Any] = {"task": task, "recipe": config, "checkpoints": tmp_path / "checkpoints"}
        fit_task(few, tmp_path / "parts", **parts, interruption=Stop())
    write_backbone(copy, "wavlm", conv_bias=True)
    with pytest.raises(InputError, match="was made for another training"):
        fit_task(few, tmp_path / "parts", **parts)
    shutil.rmtree(copy)
    fit_task(few, tmp_path / "parts", **parts)
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")
    assert (tmp_path / "checkpoints" / NOTE_NAME).is_file()
    for place in (tmp_path / "checkpoints").glob("step-*"):
        shutil.rmtree(place)
    with pytest.raises(ConfigError, match="is no folder here"):
        fit_task(few, tmp_path / "parts", **parts)


@pytest.mark.slow
def test_the_graph_needs_no_source(trained: Path, tmp_path: Path) -> None:
    weights, folder = tmp_path / "weights", tmp_path / "model"
    shutil.copytree(trained, weights)
    folder.mkdir()
    report = json.loads((weights / "training.json").read_text())
    report["config"]["backbone"]["source"] = "/gone"
    (weights / "training.json").write_text(json.dumps(report))
    export_model(weights, folder, EXPORT)
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["largest"] <= 1e-4
    assert len(parity["cases"]) == len(EXPORT.seconds)


def spoken(text: str, split: str, number: int) -> dict[str, Any]:
    draw = np.random.default_rng([number, len(split)])
    utterance = Utterance(
        utterance_id=f"{split}-{number}",
        speaker_id=f"{split}-{number % 2}",
        waveform=tone_waveform(text, draw).astype(np.float32) / np.float32(32_768),
        recorded_at=datetime(2025, 1, 1, tzinfo=UTC),
        source="by hand",
        licence="CC0-1.0",
        text=text,
        language="en",
    )
    return make_row(utterance, split)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("wav2vec2", {"feat_extract_norm": "group"}),
        pytest.param("hubert", {"do_stable_layer_norm": True}, marks=pytest.mark.slow),
    ],
)
def test_a_recogniser_trains_and_exports(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    write_backbone(tmp_path / "source", kind, **changes)
    texts = ["ab", "ba c", "dad", "cab", "bad", "a bc"]
    rows = [spoken(text, split, number) for split in ("train", "dev") for number, text in enumerate(texts)]
    dataset = write_dataset(tmp_path / "data", rows)
    names = (*SHORT[:-1], "epochs=2", f"backbone.source={tmp_path / 'source'}", "consistency=0.2")
    config = load_config(asr.AsrConfig, find_config("tasks", "asr", "pretrained"), names)
    for name in ("weights", "model"):
        (tmp_path / name).mkdir()
    fit_task(dataset, tmp_path / "weights", task=get_task("asr"), recipe=config)
    shutil.rmtree(tmp_path / "source")
    export_model(tmp_path / "weights", tmp_path / "model", EXPORT)
    assert json.loads((tmp_path / "model" / "parity.json").read_text())["largest"] <= 1e-4


@in_soak("ranks are tried without a backbone")
@pytest.mark.slow
def test_two_ranks_learn_what_one_process_does(few: Path, tmp_path: Path) -> None:
    write_backbone(tmp_path / "source", "wavlm", feat_extract_norm="group", **STILL)
    still = ("network.dropout=0", "augmentation.masks=0", "augmentation.speed=0", "optimiser.average_decay=null")
    shared = (
        *still,
        "batching={audio_seconds: 3, batches_a_step: 2}",
        "devices.accelerator=cpu",
        "backbone.frozen_layers=1",
    )
    curves = []
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
        asked = recipe(tmp_path / "source", *shared, f"devices.count={count}", "devices.strategy=fsdp2")
        train_task(few, tmp_path / str(count), task=get_task("emotion"), recipe=asked)
        history = json.loads((tmp_path / str(count) / "training.json").read_text())["history"]
        curves.append([loss for epoch in history for loss in (epoch["train_loss"], epoch["dev_loss"])])
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)


def test_other_weights_under_the_same_name_are_another_training(few: Path, tmp_path: Path) -> None:
    write_backbone(tmp_path / "source")
    asked = (*SHORT, *SIZES, "epochs=1", f"backbone.source={tmp_path / 'source'}")
    first = train(few, tmp_path / "first", config="pretrained", overrides=asked)
    write_backbone(tmp_path / "source", conv_bias=True)
    second = train(few, tmp_path / "second", config="pretrained", overrides=asked)
    assert digest_file(first / "weights.safetensors") != digest_file(second / "weights.safetensors")


def test_a_hostile_architecture_is_refused(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "weights")
    report = json.loads((trained / "training.json").read_text())
    for name, value in (("num_hidden_layers", 10**9), ("auto_map", {"AutoModel": "x.X"}), ("hidden_size", 65_536)):
        changed = json.loads(json.dumps(report))
        changed["config"]["backbone"]["found"]["architecture"][name] = value
        (tmp_path / "weights" / "training.json").write_text(json.dumps(changed))
        with pytest.raises(InputError, match="is not a weights folder"):
            export_model(tmp_path / "weights", tmp_path, EXPORT)


def test_the_configuration_may_say_what_the_source_holds(source: Path) -> None:
    settled = settle(recipe(source))
    again = build_config(emotion.EmotionConfig, settled.model_dump(mode="json"), (), origin="a report")
    assert settle(again) == settled
