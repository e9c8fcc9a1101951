"""Erasing a speaker: no byte of their voice is left, whoever looks and whenever it was killed."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.chaos.erasure_world import SPEAKERS, TESTED, World, build_world
from voxloop.data.evaluation_sets import verify_evaluation_set
from voxloop.data.report_page import write_report
from voxloop.data.shards import iter_audio, read_manifest
from voxloop.data.tombstones import read_tombstones
from voxloop.jobs.erasure import Erasure
from voxloop.release.reviews import REVIEW
from voxloop.settings import Settings
from voxloop.store.digests import digest_json, digest_tree, list_files
from voxloop.store.sweep import delete

KILLS = 100

ERASE = """
import sys
from pathlib import Path
from tests.chaos.erasure_world import MemoryArchive
from voxloop.data import erasure_places, evaluation_sets, report_page
from voxloop.jobs.erasure import Erasure
from voxloop.settings import get_settings

begin = erasure_places.Journal.write
def write(journal, path):  # imports and the search take 0.7 s, what follows 0.05 s: kills are for what follows
    print("ready", flush=True)
    begin(journal, path)
erasure_places.Journal.write = write
Erasure(get_settings(), MemoryArchive(), "annika", [Path(sys.argv[1])]).run()
print("done", flush=True)
"""


def start(world: World) -> subprocess.Popen[bytes]:
    """Start an erasure in a process of its own and return once it has left its tombstone."""
    command = [sys.executable, "-c", ERASE, str(world.outside)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def erase(world: World, speaker: str = "annika") -> Erasure:
    erasure = Erasure(world.settings, world.archive, speaker, [world.outside])
    erasure.run()
    return erasure


def list_whole(world: World) -> dict[str, str]:
    """Return the digest of every file, records included; of the online store that of its rows.

    Compacting SQLite counts up a number in the file's head.
    """
    roots = (world.settings.home, world.outside)
    files = {str(path): digest_tree(path) for root in roots for path in sorted(root.rglob("*")) if path.is_file()}
    online = str(world.settings.home / "feast" / "online.db")
    with closing(sqlite3.connect(online)) as database:
        files[online] = digest_json(list(database.iterdump()))
    return files


@pytest.mark.slow  # nearly all of it is Feast: its imports, and its own command in a process
def test_nothing_of_their_voice_is_left_anywhere(settings: Settings, tmp_path: Path) -> None:
    world = build_world(settings, tmp_path, feast=True)
    found = world.grep()
    places = ("store/ingest", "runs/night-1", "data/dataset", "ask-annika", ".spoilt", ".doomed", ".building")
    assert all(any(place in path for path in found) for place in places), found
    assert knows_online(settings, "annika")
    erasure = erase(world)
    assert world.grep() == []
    assert not knows_online(settings, "annika")
    assert knows_online(settings, "bogdan")
    for table in (settings.home / "features").glob("*.parquet"):
        names = set(pq.read_table(table)["speaker_id"].to_pylist())
        assert "annika" not in names
        assert "bogdan" in names
    left = {row["speaker_id"] for row, _ in iter_audio(world.outside / "dataset")}
    assert left == {name for names in SPEAKERS.values() for name in names} - {"annika"}
    assert "annika" in read_tombstones(settings.tombstones_file)
    assert {(one.version.number, one.standing) for one in erasure.affected} == {
        (1, ""),
        (2, "champion"),
        (4, "fallback"),
    }
    before = list_whole(world)
    again = erase(world)
    after = list_whole(world)
    assert {path for path in before | after if before.get(path) != after.get(path)} == set()
    assert again.done == []
    assert [one.version.number for one in again.affected] == [1, 2, 4], "the list is the same a second time"


def knows_online(settings: Settings, speaker: str) -> bool:
    """Return whether a row of the online table, or any byte of its file, names a speaker."""
    path = settings.home / "feast" / "online.db"
    with closing(sqlite3.connect(path)) as database:
        dump = "\n".join(database.iterdump())
    return speaker.encode().hex().upper() in dump.upper() or speaker.encode() in path.read_bytes()


@pytest.mark.slow  # a report's page
def test_everything_that_speaks_of_them_goes_and_the_rest_stays(settings: Settings, tmp_path: Path) -> None:
    world = build_world(settings, tmp_path, feast=False)
    write_report(world.outside / "dataset")
    before = verify_evaluation_set(settings.evaluation_sets / TESTED)
    erase(world)
    steps = settings.home / "runs" / "night-1" / "steps" / "training-1"
    assert {row["speaker_id"] for row, _ in iter_audio(steps / "ingest" / "out")} == {"bogdan", "dan"}
    assert not (steps / "ingest" / "out" / "_record.json").exists()
    assert not (steps / "features" / "out").exists()
    assert not (steps / "evaluate" / "out").exists()
    assert (steps / "train" / "out" / "speakers.json").exists(), "whom a model learnt from must stay known"
    assert (settings.home / "runs" / "night-1" / "kfp.log").read_text() == "ingest: done\ntrain: done\n"
    kept = {step.name: len(list(step.iterdir())) for step in settings.store.iterdir()}
    assert kept == {"ingest": 0, "features": 0, "evaluate": 0, "train": 1}
    for number in (1, 2, 3):
        assert set(world.archive.artifacts[f"run{number}"]) == {
            "training/speakers.json",
            "poison/poison.json",
            "model/model.onnx",
        }
    tags = {one.number: one.tags.get(REVIEW) for one in world.archive.models["emotion"].versions}
    assert tags == {1: None, 2: "open", 3: None, 4: "open"}
    assert read_manifest(world.outside / "dataset").num_rows == 4
    frozen = verify_evaluation_set(settings.evaluation_sets / TESTED)
    assert (frozen.rows, frozen.speakers) == (2, 1)
    assert frozen.supersedes == before.digest
    assert frozen.reason.startswith("erasure:")
    page = (world.outside / "dataset" / "report.html").read_text()
    assert "bogdan" in page
    assert "annika" not in page


def test_killed_anywhere_and_run_again_it_ends_the_same(settings: Settings, tmp_path: Path) -> None:
    kills = settings.trial_count(KILLS)
    draw = random.Random(20261120)  # noqa: S311 - moments, not secrets
    seconds, midway = measure(build_world(settings, tmp_path / "whole", feast=False)), 0
    for number in range(kills):
        forget(settings)
        world = build_world(settings, tmp_path / str(number), feast=False)
        with start(world) as process:
            time.sleep(draw.uniform(0.0, 1.0) * seconds)
            process.kill()
        midway += bool(list(settings.home.glob("erasures/*.json")))
        assert "annika" in read_tombstones(settings.tombstones_file), "from the first moment they stay out"
        erase(world)
        assert world.grep() == []
        assert list(settings.home.glob("erasures/*")) == []
        assert {row["speaker_id"] for row, _ in iter_audio(world.outside / "dataset")} == {"bogdan", "dan"}
        assert verify_evaluation_set(settings.evaluation_sets / TESTED).rows == 2
    print(f"{kills} kills in {seconds:.2f} s of an erasure, {midway} of them with something done and something left")


def measure(world: World) -> float:
    """Return the seconds of an undisturbed erasure."""
    with start(world) as process:
        started = time.monotonic()
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        return time.monotonic() - started


def forget(settings: Settings) -> None:
    for path in settings.home.iterdir():
        if path.name != "runner.key":
            delete(path)


@pytest.mark.parametrize("moment", range(1, 8))
def test_stopped_between_any_two_places_it_goes_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    from voxloop.data import erasure_places

    world = build_world(settings, tmp_path, feast=False)
    true, calls = erasure_places.erase_place, []

    def stop(*arguments: object) -> int:
        calls.append(arguments)
        if len(calls) == moment:
            raise KeyboardInterrupt
        return true(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(erasure_places, "erase_place", stop)
        with pytest.raises(KeyboardInterrupt):
            erase(world)
    assert "annika" in read_tombstones(settings.tombstones_file)
    assert len(list((settings.home / "erasures").iterdir())) == 1, "a journal says what is left to do"
    erase(world)
    assert world.grep() == []
    assert "annika-anger-0" not in str(list_files(settings.home))
