"""The training loop in one process."""

from __future__ import annotations

import json
import threading
import types
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins import MixedPrecision

from tests.unit.training.trainings import TASK, Trace, build_engine, tiny
from voxloop.errors import InputError, TrainingInterruptedError, VoxloopError
from voxloop.tasks import Task, emotion
from voxloop.training.checkpoints import CheckpointStore
from voxloop.training.devices import reproducible
from voxloop.training.engine import Engine, PrunedTrainingError
from voxloop.training.interruption import Interruption
from voxloop.training.progress import Progress
from voxloop.training.tensors import digest_tensors

SHORT = ("epochs=2", "optimiser.average_decay=0.9")


def train(tones: Path, overrides: tuple[str, ...] = SHORT, **more: Any) -> tuple[Engine, Trace]:
    recipe, trace = tiny(*overrides), more.pop("watcher", None) or Trace()
    with reproducible(recipe):
        engine = build_engine(tones, recipe, trace, **more)
        engine.run()
    return engine, trace


@pytest.fixture(scope="module")
def whole(tones: Path) -> tuple[Engine, Trace]:
    """Return an undisturbed training."""
    return train(tones)


@pytest.mark.parametrize("after", [1, 6, 8])
def test_stopped_anywhere_it_goes_on_bit_by_bit(
    whole: tuple[Engine, Trace], tones: Path, tmp_path: Path, after: int
) -> None:
    interruption = Interruption()
    first = Trace(stop=interruption, stop_after=after)
    with pytest.raises(TrainingInterruptedError, match=r"stopped by SIGTERM in epoch \d, with a checkpoint at step"):
        train(tones, checkpoints=tmp_path, interruption=interruption, watcher=first)
    engine, second = train(tones, checkpoints=tmp_path)
    assert first.steps + second.steps == whole[1].steps
    assert engine.progress == whole[0].progress
    assert digest_tensors(engine.best) == digest_tensors(whole[0].best)


def test_a_stopped_training_leaves_no_thread(tones: Path, tmp_path: Path) -> None:
    interruption, before = Interruption(), set(threading.enumerate())
    with pytest.raises(TrainingInterruptedError) as stopped:
        train(tones, checkpoints=tmp_path, interruption=interruption, watcher=Trace(stop=interruption, stop_after=1))
    assert stopped.tb is not None, "the traceback, which keeps the frames of the training, is still held"
    assert not [thread for thread in threading.enumerate() if thread.name == "batches" and thread not in before]


def test_a_finished_training_has_nothing_left_to_do(tones: Path, tmp_path: Path) -> None:
    engine, _ = train(tones, checkpoints=tmp_path)
    again, trace = train(tones, checkpoints=tmp_path)
    assert trace.steps == []
    assert digest_tensors(again.best) == digest_tensors(engine.best)


def poisoned(at: int) -> Task:
    """Return the family with a loss that is no number in one step, counted from 1; a step here is one batch."""
    calls = 0

    def losses(outputs: torch.Tensor, targets: Any, config: Any) -> torch.Tensor:
        nonlocal calls
        calls += outputs.requires_grad
        found = emotion.losses(outputs, targets, config)
        return found * float("nan") if calls == at and outputs.requires_grad else found

    names = {name: getattr(TASK, name) for name in dir(TASK) if not name.startswith("__")}
    return cast("Task", types.SimpleNamespace(**{**names, "losses": losses}))


def test_a_loss_that_is_no_number_is_named_and_the_last_good_checkpoint_stays(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.unit.training.trainings.TASK", poisoned(at=9))
    with pytest.raises(
        VoxloopError,
        match=r"epoch 2: the loss is nan in step 9 \(train utterances train-\d-\w+-\d(, train-\d-\w+-\d)*\)",
    ) as told:
        train(tones, (*SHORT, "checkpoints.every_seconds=0"), checkpoints=tmp_path)
    assert told.value.exit_code == 1
    assert "learning_rate" in told.value.remedy
    newest = CheckpointStore(tmp_path, keep=1).load_newest()
    assert newest is not None
    assert newest.step == 8
    assert all(bool(value.isfinite().all()) for value in newest.tensors.values())


def test_patience_ends_it(tones: Path) -> None:
    engine, _ = train(tones, ("epochs=30", "patience=2", "optimiser.learning_rate=1e-12"))
    assert (engine.progress.best_epoch, engine.progress.epoch) == (1, 3)


def test_a_watcher_may_end_it(tones: Path) -> None:
    class Impatient(Trace):
        def wants_to_end(self, progress: Progress) -> bool:
            return True

    with pytest.raises(PrunedTrainingError) as told:
        train(tones, watcher=Impatient())
    assert told.value.epoch == 1


def test_too_few_utterances_for_a_step_are_refused(tones: Path) -> None:
    with pytest.raises(InputError, match="48 utterances for steps of 49 batches"):
        train(tones, ("batching.batches_a_step=49",))


def test_steps_of_the_checkpoint_are_kept(tones: Path, tmp_path: Path) -> None:
    train(tones, ("epochs=1", "batching.batches_a_step=2"), checkpoints=tmp_path)
    engine, _ = train(tones, ("epochs=1", "batching.batches_a_step=1"), checkpoints=tmp_path)
    assert engine.batches_a_step == 2


def test_weights_to_start_from_are_taken_over_where_they_fit(whole: tuple[Engine, Trace], tones: Path) -> None:
    recipe, start = tiny("epochs=1"), dict(whole[0].best)
    start["classify.weight"] = torch.zeros(3, 3)
    engine = build_engine(tones, recipe, Trace(), start=start)
    assert torch.equal(engine.bare.state_dict()["project.weight"], start["project.weight"])
    assert not torch.equal(engine.bare.state_dict()["classify.bias"], torch.zeros(6))
    with pytest.raises(InputError, match="fit nothing"):
        build_engine(tones, recipe, Trace(), start={"other": torch.zeros(1)})


def test_frozen_parameters_stay(tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TASK, "rate_scale", lambda name, _: 0.0 if name.startswith("blocks") else 1.0)
    recipe = tiny("epochs=1")
    engine = build_engine(tones, recipe, Trace())
    before = {name: value.clone() for name, value in engine.bare.state_dict().items()}
    engine.run()
    moved = {name for name, value in engine.bare.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith("blocks") for name in moved)


def test_bfloat16_trains(tones: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed")
    _, trace = train(tones, ("epochs=3",), fabric=fabric)
    assert trace.steps[-1][2] < trace.steps[0][2]


def test_the_scale_of_a_float16_loss_is_part_of_a_checkpoint(tones: Path, tmp_path: Path) -> None:
    def half(scale: float) -> Fabric:
        scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        precision = MixedPrecision("16-mixed", device="cpu", scaler=scaler)
        return Fabric(accelerator="cpu", devices=1, plugins=[precision])

    interruption = Interruption()
    with pytest.raises(TrainingInterruptedError):
        train(
            tones,
            fabric=half(512.0),
            checkpoints=tmp_path,
            interruption=interruption,
            watcher=Trace(stop=interruption, stop_after=4),
        )
    fabric = half(8.0)
    engine = build_engine(tones, tiny(*SHORT), Trace(), fabric=fabric, checkpoints=tmp_path)
    engine._restore()
    assert fabric.strategy.precision.scaler.get_scale() == 512.0  # type: ignore[attr-defined]


def test_a_profile_has_a_trace_and_a_table(tones: Path, tmp_path: Path) -> None:
    train(tones, ("epochs=2",), profile=tmp_path / "profile")
    assert json.loads((tmp_path / "profile" / "trace.json").read_text())["traceEvents"]
    assert "convolution" in (tmp_path / "profile" / "table.txt").read_text()
