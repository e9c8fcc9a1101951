"""Promotion killed at every call, against twins in memory that keep their state as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from safetensors.numpy import save_file

from voxloop.errors import IntegrityError, ServiceUnavailableError
from voxloop.release.probe import Arrays
from voxloop.release.promotion import promote
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK, MODEL_DIGEST, PROMOTED_AT, ModelVersion

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REQUEST = {
    "inputs": [{"name": "waveform", "shape": ["batch", "samples"]}],
    "outputs": [{"name": "probabilities", "shape": ["batch", 2]}],
}
ANSWER = np.array([0.5, 0.5], np.float32)
Result = TypeVar("Result")


class Killed(BaseException):
    """A kill: nothing of ours may catch it."""


class Calls:
    """Counts the calls to both systems and stops the process before, or after, one of them."""

    def __init__(self, stop_at: int = -1, *, after: bool = False, error: type[BaseException] = Killed) -> None:
        self.stop_at, self.after, self.error, self.count = stop_at, after, error, 0

    def __call__(self, act: Callable[[], Result]) -> Result:
        number, self.count = self.count, self.count + 1
        if number == self.stop_at and not self.after:
            raise self.error("stopped")
        result = act()
        if number == self.stop_at:
            raise self.error("stopped")
        return result


class World:
    """Registry and server in memory."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.versions: dict[int, ModelVersion] = {}
        self.aliases: dict[str, int] = {}
        self.repository: set[str] = set()
        self.loaded: set[str] = set()
        self.wrong: set[str] = set()
        self.unsigned = False

    def add(self, number: int) -> ModelVersion:
        made = ModelVersion("emotion", number, f"run-{number}", {MODEL_DIGEST: f"{number:012d}" + "0" * 52})
        self.versions[number] = made
        self.aliases[CHALLENGER] = number
        return made

    def find_alias(self, task: str, alias: str) -> ModelVersion | None:
        return self.calls(lambda: self.versions.get(self.aliases.get(alias, -1)))

    def download_model(self, version: ModelVersion, out: Path) -> Path:
        def act() -> Path:
            out.mkdir(parents=True)
            (out / "model.json").write_text(json.dumps({"request": REQUEST}))
            save_file({"waveform_0": np.zeros(3, np.float32), "probabilities_0": ANSWER}, out / "golden.safetensors")
            return out

        return self.calls(act)

    def download_signature(self, version: ModelVersion, out: Path) -> Path:
        return self.calls(lambda: out / "model.sig")

    def verify(self, folder: Path, signature: Path) -> None:
        def act() -> None:
            if self.unsigned:
                raise IntegrityError("not as it was signed")

        self.calls(act)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        self.calls(lambda: self.aliases.update({alias: version.number}))

    def remove_alias(self, task: str, alias: str) -> None:
        self.calls(lambda: self.aliases.pop(alias, None))

    def set_tag(self, version: ModelVersion, name: str, value: str) -> None:
        tagged = ModelVersion(version.task, version.number, version.run_id, {**version.tags, name: value})
        self.calls(lambda: self.versions.update({version.number: tagged}))

    def stage(self, name: str, model: Path, model_digest: str) -> bool:
        def act() -> bool:
            is_new = name not in self.repository
            self.repository.add(name)
            return is_new

        return self.calls(act)

    def load(self, name: str) -> None:
        self.calls(lambda: self.loaded.add(name))

    def unload(self, name: str) -> None:
        self.calls(lambda: self.loaded.discard(name))

    def remove(self, name: str) -> None:
        self.calls(lambda: self.repository.discard(name))

    def is_ready(self, name: str) -> bool:
        return self.calls(lambda: name in self.loaded)

    def staged(self, task: str) -> list[str]:
        return self.calls(lambda: sorted(self.repository))

    def answer(self, name: str, request: Arrays) -> Arrays:
        return self.calls(lambda: {"probabilities": ANSWER + np.float32(0.01 if name in self.wrong else 0.0)})

    def is_in_force(self) -> bool:
        """Whether the champion is loaded and answers as its export did."""
        champion = self.versions[self.aliases[CHAMPION]]
        return champion.serving_name in self.loaded and champion.serving_name not in self.wrong


def make_world(tmp_path: Path) -> World:
    world = World()
    for number in (1, 2):
        promote(world, world, world, world.add(number), workplace=tmp_path / f"earlier-{number}", at=AT)
    world.add(3)
    return world


def run(world: World, number: int, workplace: Path) -> None:
    promote(world, world, world, world.versions[number], workplace=workplace, at=AT)


def test_the_champion_changes_and_the_old_one_is_kept(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    done = promote(world, world, world, world.versions[3], workplace=tmp_path / "now", at=AT)
    assert done.replaced is not None
    assert done.replaced.number == 2
    assert world.aliases == {CHAMPION: 3, FALLBACK: 2}
    assert world.loaded == world.repository == {world.versions[2].serving_name, world.versions[3].serving_name}
    assert world.versions[3].tags[PROMOTED_AT] == "2026-01-02T03:04:05+00:00"


def count_calls(tmp_path: Path) -> int:
    world = make_world(tmp_path / "count")
    before = world.calls.count
    run(world, 3, tmp_path / "counted")
    return world.calls.count - before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [Killed, ServiceUnavailableError])
def test_stopped_anywhere_one_champion_is_in_force_and_a_second_run_finishes(
    tmp_path: Path, after: bool, error: type[BaseException]
) -> None:
    total = count_calls(tmp_path)
    assert total > 12
    for stop_at in range(total):
        place = tmp_path / f"{stop_at}"
        world = make_world(place)
        world.calls = Calls(stop_at, after=after, error=error)
        with pytest.raises(error):
            run(world, 3, place / "stopped")
        world.calls = Calls()
        assert world.is_in_force(), f"stopped at call {stop_at}"
        run(world, 3, place / "again")
        assert world.aliases == {CHAMPION: 3, FALLBACK: 2}, f"stopped at call {stop_at}"
        assert world.loaded == world.repository == {world.versions[n].serving_name for n in (2, 3)}
        assert PROMOTED_AT in world.versions[3].tags


def test_a_wrong_answer_takes_the_new_one_off_again(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.wrong = {world.versions[3].serving_name}
    with pytest.raises(IntegrityError, match="golden request"):
        run(world, 3, tmp_path / "now")
    assert world.aliases == {CHAMPION: 2, FALLBACK: 1, CHALLENGER: 3}
    assert world.loaded == world.repository == {world.versions[n].serving_name for n in (1, 2)}


def test_a_version_that_is_not_as_it_was_signed_never_reaches_the_server(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.unsigned = True
    with pytest.raises(IntegrityError, match="not as it was signed"):
        run(world, 3, tmp_path / "now")
    assert world.aliases == {CHAMPION: 2, FALLBACK: 1, CHALLENGER: 3}
    assert world.loaded == world.repository == {world.versions[n].serving_name for n in (1, 2)}


def test_a_champion_that_answers_wrongly_is_reported_and_not_taken_down(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.wrong = {world.versions[2].serving_name}
    with pytest.raises(IntegrityError):
        run(world, 2, tmp_path / "now")
    assert world.versions[2].serving_name in world.loaded
    assert world.aliases[CHAMPION] == 2


def test_promoting_the_champion_again_changes_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    before = dict(world.aliases), set(world.loaded), dict(world.versions)
    world.loaded.clear()
    run(world, 2, tmp_path / "again")
    assert world.versions == before[2]
    assert world.aliases == before[0]
    assert world.versions[2].serving_name in world.loaded
