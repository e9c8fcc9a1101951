"""Pretrained encoders: the way through them, where they come from, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.tasks.tiny_backbones import SHAPE, write_backbone
from voxloop.config import build_config
from voxloop.errors import ConfigError, IntegrityError
from voxloop.speech.augmentation import AugmentationConfig
from voxloop.store.digests import digest_file
from voxloop.tasks import emotion
from voxloop.tasks.backbone import PREFIX, Architecture, BackboneConfig
from voxloop.tasks.backbone_network import Backbone
from voxloop.tasks.backbone_source import fetched_folder, look_at, read_pretrained, settle

pytest.importorskip("transformers", reason="of the extra pretrained")

STILL = AugmentationConfig(masks=0)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def recipe(source: object, **backbone: Any) -> emotion.EmotionConfig:
    values = {
        "epochs": 1,
        "patience": 1,
        "optimiser": {"learning_rate": 0.01},
        "batching": {"audio_seconds": 6},
        "network": {"hidden": 8, "attention": 4, "dropout": 0.0},
        "augmentation": {"masks": 0, "mel_mask": 0},
        "backbone": {"source": str(source), **backbone},
    }
    return build_config(emotion.EmotionConfig, values, (), origin="a test")


def load(source: Path) -> Backbone:
    settled = settle(recipe(source))
    assert settled.backbone is not None
    built = Backbone(settled.backbone.architecture, STILL).eval()
    weights = {name.removeprefix(PREFIX): value for name, value in read_pretrained(settled).items()}
    built.load_state_dict(weights, strict=True)
    return built


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("wav2vec2", {"feat_extract_norm": "group"}),
        ("wav2vec2", {"do_stable_layer_norm": True, "conv_bias": True}),
        ("hubert", {"feat_extract_norm": "group", "feat_proj_layer_norm": False}),
        ("hubert", {"do_stable_layer_norm": True}),
        ("wavlm", {"feat_extract_norm": "group"}),
        ("wavlm", {"do_stable_layer_norm": True}),
    ],
)
def test_padded_is_alone_is_what_the_library_says(tmp_path: Path, kind: str, changes: dict[str, Any]) -> None:
    theirs, ours = write_backbone(tmp_path, kind, **changes), load(tmp_path)
    draw, lengths = np.random.default_rng(0), [400, 16_000, 9_001, 30_000]
    batch = torch.zeros(len(lengths), max(lengths))
    for row, length in zip(batch, lengths, strict=True):
        row[:length] = torch.from_numpy(0.05 * draw.standard_normal(length).astype(np.float32))
    with torch.inference_mode():
        together, counts = ours(batch, torch.tensor(lengths))
        for place, length in enumerate(lengths):
            own = batch[place : place + 1, :length]
            alone, _ = ours(own, torch.tensor([length]))
            frames = int(counts[place])
            normal = (own - own.mean()) / (own.var(correction=0) + 1e-7).sqrt()
            expected = theirs(normal).last_hidden_state[0]
            assert len(expected) == frames == ours.architecture.count_frames(length)
            torch.testing.assert_close(together[place, :frames], alone[0, :frames], atol=2e-5, rtol=0)
            torch.testing.assert_close(alone[0, :frames], expected, atol=5e-5, rtol=0)


def test_an_utterance_shorter_than_a_frame_is_one_frame(tmp_path: Path) -> None:
    write_backbone(tmp_path, feat_extract_norm="group")
    with torch.inference_mode():
        frames, counts = load(tmp_path)(torch.ones(2, 5), torch.tensor([1, 5]))
    assert counts.tolist() == [1, 1]
    assert frames.isfinite().all()


@given(st.integers(1, 4), st.data())
def test_a_frame_more_takes_a_stride_more(layers: int, data: st.DataObject) -> None:
    sizes = st.lists(st.integers(1, 9), min_size=layers, max_size=layers)
    kernels, strides = data.draw(sizes), data.draw(sizes)
    shape = architecture(conv_dim=(4,) * layers, conv_kernel=tuple(kernels), conv_stride=tuple(strides))
    field, stride = shape.receptive_field, int(np.prod(strides))
    assert [shape.count_frames(field + more) for more in (0, stride - 1, stride)] == [1, 1, 2]


def architecture(**changes: Any) -> Architecture:
    dropouts = dict.fromkeys(("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout"), 0.0)
    known = {name: value for name, value in SHAPE.items() if name in Architecture.model_fields}
    acts = dict.fromkeys(("hidden_act", "feat_extract_activation"), "gelu")
    flags = {"do_stable_layer_norm": False, "conv_bias": False, "normalise": True, "layer_norm_eps": 1e-5}
    return Architecture.model_validate({"model_type": "hubert", **known, **dropouts, **acts, **flags, **changes})


@pytest.mark.parametrize(
    ("parameter", "changes", "stable", "share"),
    [
        ("classify.weight", {}, False, 1.0),
        ("backbone.model.encoder.layers.1.layer_norm.bias", {}, False, 0.4),
        ("backbone.model.encoder.layers.0.attention.k_proj.bias", {}, False, 0.2),
        ("backbone.model.encoder.pos_conv_embed.conv.weight", {}, False, 0.1),
        ("backbone.model.encoder.layer_norm.weight", {}, False, 0.1),
        ("backbone.model.encoder.layer_norm.weight", {}, True, 0.4),
        ("backbone.model.feature_extractor.conv_layers.0.conv.weight", {}, False, 0.0),
        ("backbone.model.feature_extractor.conv_layers.0.conv.weight", {"freeze_features": False}, False, 0.1),
        ("backbone.model.feature_extractor.conv_layers.0.conv.weight", {"freeze_features": False, "frozen_layers": 1}, False, 0.0),
        ("backbone.model.feature_projection.projection.weight", {"frozen_layers": 1}, False, 0.0),
        ("backbone.model.encoder.layers.0.attention.k_proj.bias", {"frozen_layers": 1}, False, 0.0),
        ("backbone.model.encoder.layers.1.attention.k_proj.bias", {"frozen_layers": 1}, False, 0.4),
        ("backbone.model.encoder.layer_norm.weight", {"frozen_layers": 2}, True, 0.0),
        ("backbone.model.masked_spec_embed", {"freeze_features": False}, False, 0.0),
    ],
)  # fmt: skip
def test_rates(parameter: str, changes: dict[str, Any], stable: bool, share: float) -> None:
    found = {"digest": "0" * 64, "architecture": architecture(do_stable_layer_norm=stable)}
    values = {"source": "x", "rate": 0.4, "layer_decay": 0.5, "found": found, **changes}
    assert BackboneConfig.model_validate(values).rate_of(parameter) == pytest.approx(share)


def test_frames_are_hidden_in_training_by_the_seed_alone(tmp_path: Path) -> None:
    write_backbone(tmp_path, hidden_dropout=0.0, attention_dropout=0.0, activation_dropout=0.0)
    network = load(tmp_path)
    sound, sizes = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(1)), torch.tensor([16_000, 8_000])
    network.augmentation = AugmentationConfig(masks=2, time_mask=10)
    seen: list[torch.Tensor] = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        np.random.seed(len(seen))  # noqa: NPY002 - the library's own masks would be drawn from it
        seen.append(network.train()(sound, sizes, views=2)[0].detach())
    assert seen[0].shape == (4, 50, 16)
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0][:2], seen[0][2:])


def test_a_checkpoint_with_a_head_gives_its_encoder(tmp_path: Path) -> None:
    theirs = write_backbone(tmp_path, "wavlm", "ForCTC")
    assert torch.equal(
        load(tmp_path).model.encoder.layers[1].attention.q_proj.weight,
        theirs.wavlm.encoder.layers[1].attention.q_proj.weight,
    )
    assert look_at(BackboneConfig(source=str(tmp_path))).digest == digest_file(tmp_path / "model.safetensors")


def pickled(folder: Path) -> None:
    write_backbone(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def another_model(folder: Path) -> None:
    write_backbone(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))


def of_code(folder: Path) -> None:
    write_backbone(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}))
    (folder / "mine.py").write_text("raise SystemExit('run')")


def without_ears(folder: Path) -> None:
    write_backbone(folder)
    (folder / "preprocessor_config.json").unlink()


def cut(folder: Path) -> None:
    write_backbone(folder)
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])


def fewer_tensors(folder: Path) -> None:
    write_backbone(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (pickled, r"holds no model.safetensors, but pytorch_model.bin; weights are read from safetensors alone"),
        (another_model, "its model_type is bert"),
        (of_code, "its model_type is mine"),
        (without_ears, "cannot be used: .*preprocessor_config.json"),
        (cut, "cannot be used: "),
        (fewer_tensors, "its weights lack 16 tensors, encoder.layers.2"),
        (lambda folder: write_backbone(folder, rate=8_000), "it hears 8000 Hz, not 16000"),
        (lambda folder: write_backbone(folder, "hubert", conv_pos_batch_norm=True), "conv_pos_batch_norm is True"),
        (lambda folder: write_backbone(folder, add_adapter=True), "add_adapter is True"),
        (lambda folder: write_backbone(folder, hidden_act="tanh"), "hidden_act"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path, write: Any, told: str) -> None:
    write(tmp_path)
    with pytest.raises(ConfigError, match=told) as refused:
        read_pretrained(settle(recipe(tmp_path)))
    assert "\n" not in str(refused.value)


def test_more_frozen_layers_than_there_are_is_refused(tmp_path: Path) -> None:
    write_backbone(tmp_path)
    with pytest.raises(ConfigError, match="frozen_layers is 3; .* has 2 layers"):
        settle(recipe(tmp_path, frozen_layers=3))


def test_other_weights_than_the_recipe_names_are_refused(tmp_path: Path) -> None:
    write_backbone(tmp_path)
    settled = settle(recipe(tmp_path))
    write_backbone(tmp_path, conv_bias=True)
    with pytest.raises(IntegrityError, match="the recipe says"):
        read_pretrained(settled)


@pytest.mark.parametrize("source", ["facebook/wav2vec2-base", "nowhere"])
def test_a_source_without_a_revision_is_a_folder_here(source: str) -> None:
    with pytest.raises(ConfigError, match=f"{source} is no folder here; without a revision .*backbone.revision"):
        settle(recipe(source))


def test_a_model_of_the_hub_is_read_where_it_was_fetched(home: Path) -> None:
    asked = recipe("some/model", revision=COMMIT)
    with pytest.raises(ConfigError, match="some/model at 0123456789ab was not fetched; .*voxloop train"):
        settle(asked)
    assert asked.backbone is not None
    folder = fetched_folder(asked.backbone)
    assert folder.is_relative_to(home)
    folder.mkdir(parents=True)
    write_backbone(folder)
    settled = settle(asked)
    assert settled.backbone is not None
    assert settled.backbone.found is not None
    assert settled.backbone.source == "some/model"


def test_a_revision_is_a_commit() -> None:
    with pytest.raises(ConfigError, match="backbone.revision = 'main'"):
        recipe("facebook/wav2vec2-base", revision="main")


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_backbone(tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"transformers is not installed; .*pip install 'voxloop\[pretrained\]'"):
        settle(recipe(tmp_path))


def test_one_encoder_and_no_mels_under_it() -> None:
    values = recipe("x").model_dump(mode="json")
    for change in ({"augmentation": {"mel_mask": 8}}, {"backbone": None}):
        with pytest.raises(ConfigError, match=r"must be 0 with it|from one of them"):
            build_config(emotion.EmotionConfig, {**values, **change}, (), origin="a test")
    unsettled = SimpleNamespace(labels=emotion.LABELS, dimensions=None)
    with pytest.raises(ConfigError, match="was not looked at yet"):
        emotion.build_network(recipe("x"), unsettled)  # type: ignore[arg-type]
