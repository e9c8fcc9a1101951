"""`voxloop erase`: what it says, what it refuses, and what it leaves when a server does not answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.unit.data.broken_tables import spoil_pages
from tests.unit.jobs.datasets import make_rows, write_dataset
from tests.unit.release.archives import MemoryArchive, make_version
from voxloop.data.erasure_places import Journal, Kind, classify, find_set
from voxloop.data.evaluation_sets import verify_evaluation_set
from voxloop.data.shards import read_manifest
from voxloop.data.tombstones import read_tombstones
from voxloop.errors import InputError, IntegrityError, ServiceUnavailableError
from voxloop.jobs.erase import OUT_OF_REACH, describe, erase
from voxloop.jobs.erasure import Erasure
from voxloop.jobs.evalset import cut
from voxloop.ledger.acts import list_counted_sets
from voxloop.ledger.book import open_ledger
from voxloop.release.reviews import SPEAKERS_ARTIFACT
from voxloop.settings import Settings
from voxloop.store.atomic import write_file
from voxloop.store.digests import list_files
from voxloop.store.job_store import run_step


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "data" / "dataset", make_rows({"train": ["ann", "bob"]}, ("anger",)))


@pytest.fixture
def archive() -> MemoryArchive:
    made = MemoryArchive()
    listed = json.dumps({"schema_version": 1, "train": ["ann", "zoe"], "dev": []}).encode()
    made.add(make_version(1), {SPEAKERS_ARTIFACT: listed, "poison/poison.json": b'["ann-anger-0"]'})
    made.set_aliases("emotion", champion=1)
    return made


def write_text(path: Path, text: str) -> None:
    write_file(path, text)


def speakers(dataset: Path) -> set[str]:
    return set(read_manifest(dataset, ["speaker_id"])["speaker_id"].to_pylist())


def test_it_says_what_went_where_which_models_and_what_is_out_of_reach(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    erasure = Erasure(settings, archive, "ann", [dataset])
    erasure.run()
    lines = list(describe(erasure))
    assert speakers(dataset) == {"bob"}
    assert lines[1:6] == [
        "  1 datasets rewritten",
        "  1 utterances taken out of datasets",
        "  review opened: emotion version 1 (champion)",
        "  artifact deleted: run run1 of emotion: poison/poison.json",
        "model versions that learnt from them: 1",
    ]
    assert lines[6] == "  emotion version 1 (champion): trained on them"
    assert lines[-len(OUT_OF_REACH) :] == [f"  {line}" for line in OUT_OF_REACH]


def test_a_second_time_says_already_erased(settings: Settings, dataset: Path, archive: MemoryArchive) -> None:
    Erasure(settings, archive, "ann", [dataset]).run()
    files, writes = list_files(dataset), archive.writes
    again = Erasure(settings, archive, "ann", [dataset])
    again.run()
    assert "  nothing of them was found (already erased)" in describe(again)
    assert "  emotion version 1 (champion): trained on them" in describe(again)
    assert (list_files(dataset), archive.writes) == (files, writes)


def test_a_dry_run_changes_nothing(settings: Settings, dataset: Path, archive: MemoryArchive) -> None:
    files = list_files(dataset)
    dry = Erasure(settings, archive, "ann", [dataset], dry_run=True)
    dry.run()
    assert dry.done == ["1 datasets rewritten", "artifact deleted: run run1 of emotion: poison/poison.json"]
    assert (list_files(dataset), archive.writes) == (files, 0)
    assert not settings.tombstones_file.exists()
    assert not settings.home.exists()


def test_mlflow_not_answering_the_data_are_erased_and_the_next_run_completes(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    archive.silent = True
    first = Erasure(settings, archive, "ann", [dataset])
    with pytest.raises(ServiceUnavailableError):
        first.run()
    assert "model versions that learnt from them: not known: MLflow was not asked to the end" in describe(first)
    assert speakers(dataset) == {"bob"}
    assert "ann" in read_tombstones(settings.tombstones_file)
    archive.silent = False
    second = Erasure(settings, archive, "ann", [dataset])
    second.run()
    assert set(archive.artifacts["run1"]) == {SPEAKERS_ARTIFACT}, "the journal remembered their utterances"
    assert list(settings.home.glob("erasures/*")) == []
    assert archive.models["emotion"].versions[0].tags["review"] == "open"


def test_somebody_nobody_knows_leaves_no_tombstone(settings: Settings, dataset: Path, archive: MemoryArchive) -> None:
    with pytest.raises(InputError, match="no data of a speaker 'anne'.*no tombstone was left"):
        Erasure(settings, archive, "anne", [dataset]).run()
    assert not settings.tombstones_file.exists()


def test_somebody_only_a_model_knows_gets_a_tombstone_and_a_review(settings: Settings, archive: MemoryArchive) -> None:
    Erasure(settings, archive, "zoe", []).run()
    assert "zoe" in read_tombstones(settings.tombstones_file)
    assert archive.models["emotion"].versions[0].tags["review"] == "open"


def test_a_file_that_cannot_be_read_is_named_after_the_rest_is_erased(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    settings.home.mkdir()
    (settings.home / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match="broken.parquet is no Parquet file"):
        Erasure(settings, archive, "ann", [dataset]).run()
    assert speakers(dataset) == {"bob"}
    (settings.home / "broken.parquet").unlink()
    Erasure(settings, archive, "ann", [dataset]).run()


def test_a_shard_with_a_broken_page_keeps_nothing_else_from_being_erased(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    broken = write_dataset(dataset.parent / "a-broken", make_rows({"train": ["ann", "bob"]}, ("anger",)))
    spoil_pages(next(broken.glob("shards/*")))
    (broken / "note.txt").write_text("ann-anger-0")
    with pytest.raises(IntegrityError, match="is no Parquet file"):
        Erasure(settings, archive, "ann", [broken, dataset]).run()
    assert speakers(dataset) == {"bob"}
    assert "ann" in read_tombstones(settings.tombstones_file)
    assert archive.models["emotion"].versions[0].tags["review"] == "open"
    assert len(list(settings.home.glob("erasures/*"))) == 1
    shutil.rmtree(broken)
    Erasure(settings, archive, "ann", [dataset]).run()
    assert list(settings.home.glob("erasures/*")) == []


def test_a_broken_alias_keeps_no_artifact_and_hides_no_other_model(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    listed = json.dumps({"schema_version": 1, "train": ["ann"], "dev": []}).encode()
    archive.add(make_version(1, task="asr", run_id="asr1"), {SPEAKERS_ARTIFACT: listed, "a.json": b'["ann-anger-0"]'})
    archive.set_aliases("asr", champion=1)
    archive.set_aliases("emotion", champion=9)
    erasure = Erasure(settings, archive, "ann", [dataset])
    with pytest.raises(IntegrityError, match="names version 9, which is not there"):
        erasure.run()
    assert {*archive.artifacts["run1"], *archive.artifacts["asr1"]} == {SPEAKERS_ARTIFACT}
    assert [str(one) for one in erasure.affected] == ["asr version 1 (champion): trained on them"]
    archive.set_aliases("emotion", champion=1)
    Erasure(settings, archive, "ann", [dataset]).run()


def test_two_erasures_begun_at_once_leave_both_tombstones(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    both = [Erasure(settings, archive, speaker, [dataset]) for speaker in ("ann", "bob")]
    for erasure in both:
        erasure.run()
    tombstones = read_tombstones(settings.tombstones_file)
    assert "ann" in tombstones
    assert "bob" in tombstones
    assert speakers(dataset) == set()


@pytest.mark.parametrize("depth", ["store", "store/ingest", "store/ingest/key", "runs"])
def test_what_lies_behind_a_linked_folder_is_erased(
    settings: Settings, dataset: Path, archive: MemoryArchive, tmp_path: Path, depth: str
) -> None:
    stored = settings.store / "ingest" / "key"
    shutil.copytree(dataset, stored)
    run = settings.home / "runs" / "r"
    run.mkdir(parents=True)
    (run / "kfp.log").write_text("one\nann-anger-0\n")
    doomed = settings.store / "ingest" / ".doomed-k-0011"
    shutil.copytree(dataset, doomed)
    moved = (settings.home / depth).rename(tmp_path / "big")
    (settings.home / depth).symlink_to(moved)
    Erasure(settings, archive, "ann", []).run()
    assert not list((settings.store / "ingest").rglob("*.parquet"))
    assert not list(moved.rglob("*.parquet"))
    assert (run / "kfp.log").read_text() == "one\n"


def test_a_result_nobody_can_read_goes_by_its_lineage(
    settings: Settings, dataset: Path, archive: MemoryArchive, tmp_path: Path
) -> None:
    out = tmp_path / "outs"
    other = write_dataset(tmp_path / "other", make_rows({"train": ["bob"]}, ("anger",)))

    def make(step: str, source: Path, name: str) -> Path:
        return run_step(
            step, inputs={"data": source}, config={}, out=out / step, work=lambda one: write_text(one / name, step)
        )

    second = make("second", make("first", dataset, "x.bin"), "x.pickled")
    shutil.copytree(second, settings.home / "runs" / "r" / "second")
    for step, source, name in (
        ("others", other, "x.bin"),
        ("pictured", dataset, "x.png"),
        ("trained", dataset, "speakers.json"),
    ):
        make(step, source, name)
    Erasure(settings, archive, "ann", [dataset]).run()
    kept = {step.name for step in settings.store.iterdir() if list(step.iterdir())}
    assert kept == {"others", "pictured", "trained"}
    assert list((settings.home / "runs" / "r").iterdir()) == []


@pytest.mark.parametrize(
    ("speaker", "reason", "message"),
    [("", "", "--speaker ''"), ("  ", "", "a speaker has an id"), ("ann", "ann asked for it", "does not name them")],
)
@pytest.mark.usefixtures("settings")
def test_what_is_no_speaker_or_names_them_is_refused(speaker: str, reason: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        erase(speaker=speaker, reason=reason)


def test_raw_recordings_are_not_touched(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "ask-ann-anger-0.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="nothing is deleted that voxloop did not write"):
        erase(speaker="ann", dataset=(tmp_path / "raw",))
    assert not settings.home.exists()


def test_a_stranger_s_file_beside_a_dataset_is_left_alone(
    settings: Settings, dataset: Path, archive: MemoryArchive
) -> None:
    notes = dataset.parent / "notes.txt"
    notes.write_text("ann-anger-0 was hard to record")
    Erasure(settings, archive, "ann", [dataset.parent]).run()
    assert notes.exists()
    assert speakers(dataset) == {"bob"}


def test_every_place_is_named_for_what_it_is(settings: Settings, dataset: Path) -> None:
    stored = settings.store / "ingest" / "key"
    shutil.copytree(dataset, stored)
    result = settings.home / "runs" / "r" / "evaluate"
    result.mkdir(parents=True)
    (result / "_record.json").write_text("{}")
    shard = next(dataset.glob("shards/*"))
    kinds = {
        shard: (Kind.DATASET, dataset),
        stored / "shards" / shard.name: (Kind.STORED, stored),
        result / "answers.parquet": (Kind.RESULT, result),
        settings.home / "runs" / "r" / "kfp.log": (Kind.FILE, settings.home / "runs" / "r" / "kfp.log"),
    }
    for path, expected in kinds.items():
        place = classify(path, settings)
        assert place is not None
        assert (place.kind, place.path) == expected
    assert classify(dataset.parent / "notes.txt", settings) is None


def test_the_ledger_knows_an_evaluation_set_as_an_erasure_left_it(
    settings: Settings, tmp_path: Path, archive: MemoryArchive
) -> None:
    rows = make_rows({"test": ["ann", "bob"]}, ("anger", "fear"))
    frozen = cut(dataset=write_dataset(tmp_path / "fresh", rows), domain="home", date="2026-11-20")
    before = list_counted_sets(open_ledger(settings).read(), "emotion")
    Erasure(settings, archive, "ann", []).run()
    after = list_counted_sets(open_ledger(settings).verify(), "emotion")
    assert after == {frozen.name: verify_evaluation_set(frozen).digest} != before
    assert verify_evaluation_set(frozen).speakers == 1


def test_an_evaluation_set_is_known_by_its_task_and_name(tmp_path: Path) -> None:
    sets = tmp_path / "evaluation_sets"
    assert find_set(sets / "emotion" / "nemo-2026" / "dataset", sets) == sets / "emotion" / "nemo-2026"
    assert find_set(tmp_path / "runs" / "x", sets) is None


def test_the_journal_comes_back_as_it_was(tmp_path: Path) -> None:
    journal = Journal(utterances=("a", "b"), reports=("r",), sets=("s",), digests=("d",))
    journal.write(tmp_path / "j" / "x.json")
    assert Journal.read(tmp_path / "j" / "x.json") == journal
    assert (tmp_path / "j" / "x.json").stat().st_mode & 0o777 == 0o600
    assert Journal.read(tmp_path / "none") == Journal()
