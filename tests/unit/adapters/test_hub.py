"""A pretrained encoder fetched from the hub: once, whole, and no more of it than is read."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tasks.tiny_backbones import write_backbone
from voxloop.adapters.hub import fetch_backbone
from voxloop.config import build_config
from voxloop.errors import ConfigError, ServiceUnavailableError
from voxloop.tasks import emotion
from voxloop.tasks.backbone_source import fetched_folder, settle
from voxloop.tasks.recipe import Recipe

pytest.importorskip("transformers", reason="of the extra pretrained")
pytestmark = pytest.mark.usefixtures("home")

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def recipe(**backbone: Any) -> emotion.EmotionConfig:
    values = {
        "epochs": 1,
        "patience": 1,
        "optimiser": {"learning_rate": 0.01},
        "batching": {"audio_seconds": 6},
        "network": {"hidden": 8, "attention": 4, "dropout": 0.0},
        "augmentation": {"masks": 0, "mel_mask": 0},
        "backbone": {"source": "some/model", "revision": COMMIT, **backbone},
    }
    return build_config(emotion.EmotionConfig, values, origin="test")


def place_of(asked: emotion.EmotionConfig) -> Path:
    assert asked.backbone is not None
    return fetched_folder(asked.backbone)


class Hub:
    """What `snapshot_download` is asked, and what it leaves or raises."""

    def __init__(self, source: Path, failure: Exception | None = None) -> None:
        self.source = source
        self.failure = failure
        self.asked: list[tuple[str, str]] = []
        self.patterns: list[str] = []

    def __call__(self, name: str, *, revision: str, allow_patterns: list[str], local_dir: Path) -> str:
        self.asked.append((name, revision))
        self.patterns = allow_patterns
        shutil.copytree(self.source, local_dir, dirs_exist_ok=True)
        (local_dir / ".cache" / "huggingface").mkdir(parents=True)
        if self.failure is not None:
            raise self.failure
        return str(local_dir)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    write_backbone(folder)
    return folder


def test_it_is_fetched_once_and_read_where_it_lies(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(source)
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    for _ in range(2):
        fetch_backbone(recipe())
    assert hub.asked == [("some/model", COMMIT)]
    settled = settle(recipe())
    assert settled.backbone is not None
    assert settled.backbone.found is not None
    assert {path.name for path in place_of(recipe()).iterdir()} == {path.name for path in source.iterdir()}


def test_no_more_than_needed_is_fetched(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(source)
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    fetch_backbone(recipe())
    assert hub.patterns
    assert not [pattern for pattern in hub.patterns if "bin" in pattern or ".py" in pattern or pattern == "*"]


@pytest.mark.parametrize("other", ["a folder", "no backbone"])
def test_nothing_is_fetched_where_nothing_of_the_hub_is_named(
    other: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    plain = Recipe.model_validate(
        {"epochs": 1, "patience": 1, "optimiser": {"learning_rate": 0.01}, "batching": {"audio_seconds": 6}}
    )
    fetch_backbone(plain if other == "no backbone" else recipe(source=str(source), revision=None))


@pytest.mark.parametrize(
    ("failure", "kind", "told"),
    [
        ("silent", ServiceUnavailableError, "the hub does not answer for some/model"),
        ("refused", ConfigError, "the hub gives no some/model at 0123456789ab"),
    ],
)
def test_a_fetch_that_fails_leaves_nothing(
    failure: str, kind: type[Exception], told: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    raised = LocalEntryNotFoundError("no connection") if failure == "silent" else HFValidationError("no such name")
    monkeypatch.setattr("huggingface_hub.snapshot_download", Hub(source, raised))
    with pytest.raises(kind, match=told):
        fetch_backbone(recipe())
    place = place_of(recipe())
    assert [path.name for path in place.parent.iterdir() if path.suffix != ".lock"] == []
