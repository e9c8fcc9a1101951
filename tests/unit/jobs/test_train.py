"""The train job: through the store, and with every wrong name explained."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.soak import in_soak
from tests.unit.training.tones import TINY, tone_rows, write_tones
from voxloop.errors import ConfigError, InputError, TrainingInterruptedError
from voxloop.jobs.train import train
from voxloop.store.digests import digest_tree
from voxloop.store.job_store import read_record

pytestmark = pytest.mark.usefixtures("home")

VOXLOOP = [sys.executable, "-m", "voxloop"]
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


@in_soak("kills of trainings are counted in chaos")
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_it_goes_on_and_ends_with_the_same_bytes(home: Path, tmp_path: Path) -> None:
    """A process of its own is killed, another is told to stop, a third ends; a fourth, in this one, is not disturbed."""
    dataset = write_tones(tmp_path / "dataset")
    slow = ("epochs=6", "checkpoints.every_seconds=0", "checkpoints.keep=2")
    line = ["--config", "smoke", *(f"--set={item}" for item in (*TINY, *slow))]
    for number, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, TrainingInterruptedError.exit_code)):
        before = newest_checkpoint(home)
        process = subprocess.Popen([*VOXLOOP, "train", str(dataset), str(tmp_path / "one"), *line])
        try:
            wait_for_checkpoint(home, before, process)
            process.send_signal(number)
            assert process.wait(300) == code
        finally:
            process.kill()
            process.wait()
        assert not (tmp_path / "one").exists()
    reached = newest_checkpoint(home)
    done = subprocess.run(
        [*VOXLOOP, "train", str(dataset), str(tmp_path / "one"), *line], check=True, capture_output=True, text=True
    )
    assert reached > 0
    assert "going on from a checkpoint" in done.stdout
    assert newest_checkpoint(home) == 0, "a finished step leaves nothing unfinished"
    shutil.rmtree(home / "store")
    train(dataset, tmp_path / "two", config="smoke", overrides=TINY)
    assert digest_tree(tmp_path / "one") == digest_tree(tmp_path / "two")


def newest_checkpoint(home: Path) -> int:
    """Return the step of the newest whole checkpoint, 0 without one."""
    places = home.glob("store/.unfinished/train/*/*/checkpoints/step-*")
    return max((int(place.name.split("-")[1]) for place in places), default=0)


def wait_for_checkpoint(home: Path, after: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 400
    while newest_checkpoint(home) <= after:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


def test_weights_to_start_from_are_an_input(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "dataset")
    first = train(dataset, tmp_path / "first", config="smoke", overrides=ONE_EPOCH)
    tuned = train(dataset, tmp_path / "tuned", config="smoke", start=first, overrides=ONE_EPOCH)
    record = read_record(tuned)
    assert record is not None
    assert record.inputs == {"dataset": digest_tree(dataset), "features": None, "start": digest_tree(first)}
    assert digest_tree(tuned) != digest_tree(first)


@pytest.mark.parametrize(
    ("option", "message"),
    [("features", "--features .* is no file"), ("start", "nowhere does not exist; train reads it as --start")],
)
def test_an_input_that_is_not_there_is_named(tmp_path: Path, option: str, message: str) -> None:
    dataset = write_tones(tmp_path / "dataset", tone_rows({"train": 1, "dev": 1}))
    with pytest.raises(InputError, match=message):
        train(dataset, tmp_path / "out", config="smoke", overrides=ONE_EPOCH, **{option: tmp_path / "nowhere"})  # type: ignore[arg-type]


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
