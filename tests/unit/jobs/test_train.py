"""The train job: through the store, and with every wrong name explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.training.tones import TINY, tone_rows, write_tones
from voxloop.errors import ConfigError, InputError
from voxloop.jobs.train import train
from voxloop.store.digests import digest_tree

pytestmark = pytest.mark.usefixtures("home")

ONE_EPOCH = (*TINY, "epochs=1")


def test_asked_again_it_is_taken_from_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = write_tones(tmp_path / "dataset")
    one = train(dataset, tmp_path / "one", config="smoke", overrides=ONE_EPOCH)
    two = train(dataset, tmp_path / "two", config="smoke", overrides=ONE_EPOCH)
    assert {path.name for path in one.iterdir()} == {
        "speakers.json",
        "weights.safetensors", "training.json", "curves.png", "_record.json"
    }  # fmt: skip
    assert "step train: reused" in capsys.readouterr().out
    assert digest_tree(one) == digest_tree(two)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": "smok"}, "no configuration 'tasks/emotion/smok'.*did you mean 'smoke'"),
        ({"task": "emotoin"}, "no task 'emotoin'"),
        ({"overrides": ("epoch=1",)}, "'epoch' is not a key of small.yaml.*did you mean 'epochs'"),
        ({"overrides": ("epochs=0",)}, "epochs = 0"),
    ],
)
def test_wrong_names_are_explained(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, InputError), match=message):
        train(tmp_path / "dataset", tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_failed_training_leaves_nothing(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "dataset", tone_rows({"dev": 1}))
    with pytest.raises(InputError, match="dataset/train has no utterance"):
        train(dataset, tmp_path / "out", config="smoke", overrides=ONE_EPOCH)
    assert {path.name for path in tmp_path.iterdir()} <= {"dataset", "home"}


@pytest.mark.parametrize("config", ["smoke", "small", "base"])
def test_every_configuration_can_be_read(config: str) -> None:
    from voxloop.config import find_config, load_config
    from voxloop.tasks.emotion import EmotionConfig

    assert load_config(EmotionConfig, find_config("tasks", "emotion", config)).epochs > 0
