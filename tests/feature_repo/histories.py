"""Random histories of features, and an oracle of plain loops that says what a store must answer."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from voxloop.adapters import feast as feast_adapter

if TYPE_CHECKING:
    from feast import FeatureStore

SERVICE = "emotion_v1"
START = datetime(2026, 1, 5, tzinfo=UTC)
PUBLICATIONS = 3
HOUR = 3_600_000_000
# Microseconds after START: neighbours, ties and hours, so that corrections fall between, on and after events.
MOMENTS = (0, 1, 2, 3, 1_000_000, HOUR, HOUR + 1, 2 * HOUR, 30 * HOUR)
END = 40 * HOUR
# The moments up to which the online store is filled after each publication.
FILLED = (HOUR, 2 * HOUR, END)
VIEWS = ("utterance_prosody", "speaker_prosody", "speaker_emotions")
COLUMNS = {"utterance_prosody": "f0_mean_hz", "speaker_prosody": "utterances", "speaker_emotions": "last_emotion"}
"""The column of each view that carries the value of a fact: a float, a whole number, a text."""


@dataclass(frozen=True)
class Fact:
    """One row: an event of an entity, when it became known, and what it says."""

    view: str
    event: int
    known: int
    value: float | int | str | None

    @property
    def order(self) -> tuple[int, int]:
        return (self.event, self.known)


@dataclass(frozen=True)
class History:
    """What is published in turn, what is pushed at last and where to, and the moments asked about."""

    publications: tuple[tuple[Fact, ...], ...]
    pushes: tuple[tuple[str, Fact], ...]
    questions: tuple[int, ...]


@dataclass
class World:
    """Histories side by side in one store, each with an utterance and a speaker of its own."""

    prefix: str
    histories: list[History]
    told: list[list[Fact]] = field(default_factory=list)
    """What each history has told so far, in the order of its telling."""

    def ids(self, index: int) -> dict[str, str]:
        return {"utterance_id": f"{self.prefix}u{index}", "speaker_id": f"{self.prefix}s{index}"}


VALUES = {
    "utterance_prosody": st.none() | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, 0.1 + 0.2]) | st.floats(50, 500),
    "speaker_prosody": st.sampled_from([0, 1, 2**53 + 1, 2**62]) | st.integers(0, 9),
    "speaker_emotions": st.none() | st.sampled_from(["", "anger", "żal", "a,b\n"]),
}
ORDERED = st.tuples(st.sampled_from(MOMENTS), st.sampled_from(MOMENTS)).map(sorted)


@st.composite
def facts(draw: st.DrawFn, *, pushed: bool = False) -> Fact:
    view = draw(st.sampled_from(VIEWS))
    event, known = draw(ORDERED)
    if not pushed and draw(st.integers(0, 9)) == 0:
        event, known = known, event  # some clocks are wrong: known before it happened
    return Fact(view, event, known, draw(VALUES[view]))


@st.composite
def histories(draw: st.DrawFn) -> History:
    publication = st.lists(facts(), max_size=4).map(tuple)
    pushes = st.lists(st.tuples(st.sampled_from(["online", "offline", "both"]), facts(pushed=True)), max_size=2)
    questions = st.lists(st.sampled_from([-1, *MOMENTS, END]), min_size=1, max_size=5)
    return History(tuple(draw(publication) for _ in range(PUBLICATIONS)), tuple(draw(pushes)), tuple(draw(questions)))


def draw_histories(count: int) -> list[History]:
    """Return histories that hypothesis makes up: each of its examples is one, none is shrunk."""
    drawn: list[History] = []

    @hypothesis_settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories())
    def collect(history: History) -> None:
        drawn.append(history)

    collect()
    return drawn[-count:]


def moment(microseconds: int) -> datetime:
    return START + timedelta(microseconds=microseconds)


def answer(told: Iterable[Fact], view: str, at: int) -> Fact | None:
    """The oracle: of what had happened and was known, the latest event; of one event, what became known, or told, last."""
    best: Fact | None = None
    for fact in told:
        visible = fact.view == view and fact.event <= at and fact.known <= at
        if visible and (best is None or fact.order >= best.order):
            best = fact
    return best


def row_of(fact: Fact, ids: dict[str, str]) -> dict[str, Any]:
    schema = feast_adapter.SCHEMAS[fact.view]
    empty = {name: 0 for name in schema.names if not schema.field(name).nullable and name not in ids}
    keys = {name: value for name, value in ids.items() if name in schema.names}
    times = {"event_timestamp": moment(fact.event), "created": moment(fact.known)}
    return {**empty, **keys, **times, COLUMNS[fact.view]: fact.value}


def publish(world: World, number: int, folder: Path) -> None:
    """Publish one turn of every history as one folder of features."""
    folder.mkdir(parents=True)
    for view in VIEWS:
        rows = [
            row_of(fact, world.ids(index))
            for index, history in enumerate(world.histories)
            for fact in history.publications[number]
            if fact.view == view
        ]
        table = pa.Table.from_pylist(rows, schema=feast_adapter.SCHEMAS[view])
        if rows:
            pq.write_table(table, folder / f"{view}.parquet")
    for told, history in zip(world.told, world.histories, strict=True):
        told.extend(history.publications[number])


def bits(value: object) -> object:
    """What two answers must share: type and every bit."""
    return struct.pack("<d", value) if isinstance(value, float) else (type(value), value)


def expected(told: Iterable[Fact], at: int) -> dict[str, object]:
    told = list(told)
    found = {view: answer(told, view, at) for view in VIEWS}
    return {f"{view}__{COLUMNS[view]}": bits(fact.value if fact else None) for view, fact in found.items()}


def given_by(row: dict[str, Any]) -> dict[str, object]:
    return {f"{view}__{COLUMNS[view]}": bits(row[f"{view}__{COLUMNS[view]}"]) for view in VIEWS}


def check_offline(store: FeatureStore, world: World) -> int:
    """Ask everything of every history in one question, with strangers and duplicates among it; return how much."""
    asked = [
        (told, at, world.ids(index))
        for index, (history, told) in enumerate(zip(world.histories, world.told, strict=True))
        for at in (*history.questions, history.questions[0])
    ]
    asked += [([], END, {"utterance_id": "nobody", "speaker_id": "nobody"})] * 2
    asked.sort(key=lambda one: hash_of(one[2], one[1]))  # in no order that a store could keep by chance
    frame = pd.DataFrame([{**ids, "event_timestamp": pd.Timestamp(moment(at))} for _, at, ids in asked])
    rows = feast_adapter.read_history(store, SERVICE, frame).to_pylist()
    assert len(rows) == len(asked)
    wrong = []
    for (told, at, ids), row in zip(asked, rows, strict=True):
        assert (row["utterance_id"], row["speaker_id"]) == (ids["utterance_id"], ids["speaker_id"])
        assert row["event_timestamp"] == moment(at)
        if given_by(row) != expected(told, at):
            wrong.append((told, at, row))
    assert not wrong, f"{len(wrong)} of {len(asked)} wrong, the first: {wrong[0]}"
    return len(asked)


def check_online(store: FeatureStore, world: World, known: list[list[Fact]], at: int) -> None:
    """Compare the online store with the oracle: what each history had told by then."""
    entities = [world.ids(index) for index in range(len(world.histories))]
    rows = feast_adapter.read_online(store, SERVICE, entities)
    assert len(rows) == len(entities)
    wrong = [(told, row) for told, row in zip(known, rows, strict=True) if given_by(row) != expected(told, at)]
    assert not wrong, f"{len(wrong)} of {len(rows)} wrong online, the first: {wrong[0]}"


def push(store: FeatureStore, world: World) -> list[list[Fact]]:
    """Push what each history pushes; return what the online store must know now."""
    for to in ("online", "offline", "both"):
        for view in VIEWS:
            rows = [
                row_of(fact, world.ids(index))
                for index, history in enumerate(world.histories)
                for place, fact in history.pushes
                if (place, fact.view) == (to, view)
            ]
            feast_adapter.push_features(view, rows, to, store=store)
    online = [list(told) for told in world.told]
    for to in ("online", "offline", "both"):
        for told, now, history in zip(world.told, online, world.histories, strict=True):
            pushed = [fact for place, fact in history.pushes if place == to]
            told.extend(pushed if to != "online" else [])
            now.extend(pushed if to != "offline" else [])
    return online


def check_histories(store: FeatureStore, count: int, folder: Path, prefix: str) -> int:
    """Publish, carry online, push and ask `count` random histories; return how many questions were asked."""
    world = World(prefix, draw_histories(count))
    world.told = [[] for _ in world.histories]
    questions = 0
    for number in range(PUBLICATIONS):
        publish(world, number, folder / f"{prefix}{number}")
        feast_adapter.publish_features(folder / f"{prefix}{number}")
        questions += check_offline(store, world)
        feast_adapter.materialize_features(store, at=moment(FILLED[number]))
        check_online(store, world, world.told, FILLED[number])
    online = push(store, world)
    check_online(store, world, online, END)
    questions += check_offline(store, world)
    feast_adapter.materialize_features(store, at=moment(END))
    both = [[*now, *told] for told, now in zip(world.told, online, strict=True)]
    check_online(store, world, both, END)
    feast_adapter.materialize_features(store, at=moment(HOUR))  # an older moment takes nothing back
    check_online(store, world, both, END)
    return questions


def hash_of(ids: dict[str, str], at: int) -> bytes:
    import hashlib

    return hashlib.sha256(f"{ids['utterance_id']} {at}".encode()).digest()
