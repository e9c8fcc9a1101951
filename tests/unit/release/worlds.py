"""Registry and server in memory that keep their state as the real ones do, beside a real ledger; stopped at any call."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from safetensors.numpy import save_file

from tests.unit.ledger.books import KEY, open_book
from voxloop.errors import IntegrityError, ServiceUnavailableError
from voxloop.ledger.acts import record_judgement
from voxloop.ledger.book import Ledger
from voxloop.ledger.database import open_database
from voxloop.ledger.entry import Draft, Entry, Sealer
from voxloop.release.approvals import record_approval
from voxloop.release.budgets import ProbeBudgets
from voxloop.release.champion import read_champion
from voxloop.release.registrations import record_registration
from voxloop.release.routes import Route, read_route
from voxloop.release.systems import Platform
from voxloop.release.versions import (
    APPROVAL,
    CHALLENGER,
    CHAMPION,
    EVALUATION_DIGEST,
    FALLBACK,
    JUDGED_AGAINST,
    MODEL_DIGEST,
    VERDICT,
    ModelVersion,
    serving_name,
)
from voxloop.tasks import Answer
from voxloop.tasks.output_difference import Arrays
from voxloop.verdict import Verdict

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LASTS = timedelta(days=14)
REQUEST = {
    "inputs": [{"name": "waveform", "shape": ["batch", "samples"]}],
    "outputs": [{"name": "probabilities", "shape": ["batch", 2]}],
}
BUDGETS = ProbeBudgets.model_validate(
    {
        # Every question is a place to be killed at: one round. A call takes microseconds: no budget of time is met.
        "latency": {"seconds": 0.1, "rounds": 1, "attempts": 1, "p95_ms": 60_000, "ratio": 1, "slack_ms": 60_000},
        "memory": {"limit_mib": 1024},
        "unmeasured": "refuse",
    }
)
ANSWER = np.array([0.5, 0.5], np.float32)
Result = TypeVar("Result")


class Killed(BaseException):
    """A kill: nothing of ours may catch it."""


class Calls:
    """Counts the calls to all systems and stops the process before, or after, one of them."""

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


class StoppedLedger(Ledger):
    """A real ledger whose writes are calls too."""

    def __init__(self, folder: Path, world: World) -> None:
        super().__init__(open_database(folder, None), folder / "head.json", Sealer(KEY))
        self.world = world

    def append_after(self, draft: Draft, sequence: int) -> Entry | None:
        return self.world.calls(lambda: super(StoppedLedger, self).append_after(draft, sequence))


class World:
    """A platform whose registry and server are in memory; the clock goes on by an hour whenever it is asked."""

    def __init__(self, folder: Path) -> None:
        self.calls = Calls()
        self.folder = folder
        self.versions: dict[int, ModelVersion] = {}
        self.aliases: dict[str, int] = {}
        self.model_tags: dict[str, str] = {}
        self.repository: set[str] = set()
        self.loaded: set[str] = set()
        self.wrong: set[str] = set()
        self.unservable: set[str] = set()
        self.heavy: set[str] = set()
        self.answering: Callable[[], str | None] = self.route_champion
        self.unsigned = False
        self.moment = AT
        self.step = timedelta(hours=1)
        self.places = 0

    def platform(self, place: str = "here") -> Platform:
        """Return it as a promotion sees it."""
        return Platform(
            registry=self,
            server=self,
            signatures=self,
            ledger=StoppedLedger(self.folder, self),
            place=place,
            clock=self.now,
            front=self,
            budgets=BUDGETS,
            open_reference=lambda _: Twin(self, ""),
        )

    def copy(self, folder: Path) -> World:
        """Return a world like it, ledger too, that shares nothing with it."""
        shutil.copytree(self.folder, folder)
        twin = World(folder)
        for name in ("versions", "aliases", "model_tags", "repository", "loaded"):
            setattr(twin, name, copy(getattr(self, name)))
        twin.moment, twin.places = self.moment, self.places
        return twin

    def now(self) -> datetime:
        self.moment += self.step
        return self.moment

    def workplace(self) -> Path:
        """Return an empty folder that nobody has had yet."""
        self.places += 1
        place = self.folder / f"work-{self.places}"
        place.mkdir(parents=True)
        return place

    def add(self, number: int, *, judged_against: int | None = None) -> ModelVersion:
        """Register an approved version, in the ledger too; its digest begins with its number."""
        against = self.versions[judged_against].model_digest if judged_against else "none"
        tags = {MODEL_DIGEST: digest_of(number), VERDICT: "PASS", APPROVAL: "approved", JUDGED_AGAINST: against}
        tags[EVALUATION_DIGEST] = f"evaluation {number}"
        made = ModelVersion("emotion", number, f"run-{number}", tags)
        self.versions[number] = made
        self.aliases[CHALLENGER] = number
        approve_in(open_book(self.folder), made, at=self.moment)
        return made

    def list_versions(self, task: str) -> list[ModelVersion]:
        return self.calls(lambda: list(self.versions.values()))

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
        before = self.versions[version.number]
        tagged = ModelVersion(before.task, before.number, before.run_id, {**before.tags, name: value})
        self.calls(lambda: self.versions.update({version.number: tagged}))

    def read_model_tag(self, task: str, name: str) -> str | None:
        return self.calls(lambda: self.model_tags.get(name))

    def set_model_tag(self, task: str, name: str, value: str) -> None:
        self.calls(lambda: self.model_tags.update({name: value}))

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

    def read_digest(self, name: str) -> str:
        def act() -> str:
            if name in self.unservable or name not in self.loaded:
                raise ServiceUnavailableError(f"Triton does not serve {name}")
            return digest_of(int(name.removeprefix("emotion-")))

        return self.calls(act)

    def staged(self, task: str) -> list[str]:
        return self.calls(lambda: sorted(self.repository))

    def answer(self, name: str, request: Arrays) -> Arrays:
        return self.calls(lambda: {"probabilities": ANSWER + np.float32(0.01) if name in self.wrong else ANSWER})

    def read_answering(self, task: str) -> str | None:
        return self.calls(self.answering)

    def open(self, name: str) -> Twin:
        def act() -> Twin:
            if name not in self.loaded:
                raise ServiceUnavailableError(f"Triton does not serve {name}")
            return Twin(self, name)

        return self.calls(act)

    def read_memory(self, name: str) -> int | None:
        return self.calls(lambda: 2**31 if name in self.heavy else 2**20)

    def entries(self) -> list[Entry]:
        return open_book(self.folder).read()

    def route_champion(self) -> str | None:
        """Return the digest of the champion by the ledger."""
        return read_champion(self.entries(), "emotion")

    def route(self) -> Route:
        found = read_route(self.entries(), "emotion")
        assert found is not None
        return found

    def served(self) -> tuple[int, int | None]:
        """Return the versions that the route in force names; the first is loaded and answers as its export did."""
        route = self.route()
        numbers = {version.model_digest: number for number, version in self.versions.items()}
        assert route.sole_model is not None
        name = serving_name("emotion", route.sole_model)
        assert name in self.loaded
        assert name not in self.wrong
        return numbers[route.sole_model], None if route.fallback is None else numbers[route.fallback]

    def require_whole(self, champion: int, fallback: int | None) -> None:
        """Fail unless ledger, registry and server all say the same."""
        assert self.served() == (champion, fallback)
        wanted = {CHAMPION: champion} | ({} if fallback is None else {FALLBACK: fallback})
        assert {alias: number for alias, number in self.aliases.items() if alias != CHALLENGER} == wanted
        assert self.aliases.get(CHALLENGER) != champion
        assert self.loaded == self.repository == {self.versions[number].serving_name for number in wanted.values()}


@dataclass(frozen=True)
class Twin:
    """A model as evaluation opens it, or by its name on the server."""

    world: World
    name: str

    def requests(self) -> Iterator[tuple[str, Arrays]]:
        yield "silence", {"waveform": np.zeros(3, np.float32)}

    def make_golden(self, seconds: float) -> Arrays:
        return {"waveform": np.zeros(round(16_000 * seconds), np.float32)}

    def answer(self, request: Arrays) -> Arrays:
        return self.world.answer(self.name, request)

    def decode(self, outputs: Arrays) -> Answer | None:
        return {"emotion": int(outputs["probabilities"].argmax())}


def approve_in(ledger: Ledger, version: ModelVersion, *, by: str = "ann", at: datetime = AT) -> Entry:
    """Write all that an approval stands on, then the approval."""
    record_judgement(
        ledger,
        task=version.task,
        model=version.model_digest,
        verdict=Verdict.PASS,
        evidence={"evaluation": version.tags.get(EVALUATION_DIGEST)},
        at=at,
    )
    record_registration(ledger, version, trained_by=["ben", "Ben@example.org"], at=at)
    return record_approval(ledger, version, by=by, names={by}, at=at, lasts=LASTS)


def digest_of(number: int) -> str:
    """Return the model digest of a version."""
    return f"{number:012d}" + "0" * 52
