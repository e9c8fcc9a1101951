"""Frozen evaluation sets: cut before training, whole, never changed, and frozen again after an erasure alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.unit.data.leak_datasets import CONFIG, leak, make_rows, make_utterance, write_rows
from tests.unit.jobs.datasets import make_older
from voxloop.data.evaluation_set_cut import Cut, cut_evaluation_set
from voxloop.data.evaluation_set_files import FROZEN_COLUMNS, digest_rows
from voxloop.data.evaluation_sets import (
    EvaluationSet,
    find_cut_since,
    list_evaluation_sets,
    load_evaluation_set,
    refreeze,
    verify_evaluation_set,
    write_record,
)
from voxloop.data.leakage import search_dataset
from voxloop.data.manifest import load_manifest, write_manifest
from voxloop.data.schema import make_row
from voxloop.data.shards import ShardWriter, iter_audio, load_split, write_measures
from voxloop.errors import InputError, IntegrityError, RefusedError, VoxloopError
from voxloop.store.atomic import remove_tree
from voxloop.store.digests import digest_json, digest_tree
from voxloop.verdict import Verdict

DAY = date(2026, 11, 20)
Row = dict[str, Any]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "dataset", make_rows())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "evaluation_sets"


def cut(dataset: Path, root: Path, **changed: Any) -> EvaluationSet:
    asked = replace(Cut(dataset, "home", DAY, "emotion", "test"), **changed)
    return cut_evaluation_set(asked, root, CONFIG)


def replace_rows(folder: Path, rows: Iterable[tuple[Row, bytes]]) -> None:
    """Rewrite the shard and the manifest of a set, as an erasure does."""
    kept = [row | {"audio": audio} for row, audio in rows]
    beside = folder.parent.parent / "beside"
    beside.mkdir()
    with ShardWriter(beside, shard_bytes=2**24) as writer:
        for row in kept:
            writer.write(row)
    (folder / "shards" / "part-00000.parquet").unlink()
    entries = []
    for entry in writer.entries:
        (beside / entry.path).rename(folder / entry.path)
        entries.append(entry)
    manifest = load_manifest(folder).model_copy(update={"shards": tuple(entries), "utterances": len(kept)})
    write_manifest(manifest, folder)


def read_rows(folder: Path) -> list[tuple[Row, bytes]]:
    import pyarrow.parquet as pq

    rows = pq.read_table(folder / "shards" / "part-00000.parquet").to_pylist()
    return [({name: value for name, value in row.items() if name != "audio"}, row["audio"]) for row in rows]


def test_a_set_holds_the_test_speakers_with_their_audio(dataset: Path, root: Path) -> None:
    frozen = cut(dataset, root)
    assert frozen.folder == root / "emotion" / "home-2026-11-20"
    assert (frozen.rows, frozen.speakers, frozen.looks, frozen.supersedes) == (4, 2, "counted", None)
    assert load_evaluation_set(frozen.folder) == frozen
    assert verify_evaluation_set(frozen.folder) == frozen
    kept = {row["utterance_id"]: wave.tobytes() for row, wave in iter_audio(frozen.folder)}
    assert kept == {row["utterance_id"]: wave.tobytes() for row, wave in load_split(dataset, "test")}
    manifest = load_manifest(frozen.folder)
    assert (manifest.utterances, manifest.speakers, manifest.splits["test"].utterances) == (4, 2, 4)
    assert manifest.labels == {"emotion": {"anger": 2, "neutral": 2}}


def make_older_set(frozen: EvaluationSet) -> EvaluationSet:
    """Make a set what it was before `ADDED_COLUMNS`: its shards lack them, and its rows were digested without."""
    record = frozen.describe(make_older(frozen.folder))
    (frozen.folder / "evaluation_set.json").unlink()
    write_record(record, frozen.folder)
    return record


def test_a_set_from_before_a_column_is_whole_and_the_same_cut_again(dataset: Path, root: Path) -> None:
    older = make_older_set(cut(dataset, root))
    assert [row["device"] for row, _ in iter_audio(older.folder)] == [None] * 4
    assert verify_evaluation_set(older.folder) == older
    assert cut(dataset, root) == cut(make_older(dataset), root) == older


def test_the_digest_of_a_row_is_of_its_device_where_that_is_known(tmp_path: Path) -> None:
    rows = make_rows()
    plain = write_rows(tmp_path / "plain", rows)
    told = write_rows(tmp_path / "told", [rows[0] | {"device": "phone"}, *rows[1:]])
    name = rows[0]["utterance_id"]
    kept = {column: rows[0][column] for column in FROZEN_COLUMNS}
    assert digest_rows(plain)[name] == digest_rows(make_older(plain))[name] == digest_json([kept, None])
    assert digest_rows(told)[name] == digest_json([kept | {"device": "phone"}, None])


def test_an_erasure_from_a_set_of_before_a_column_is_no_other_set(dataset: Path, root: Path) -> None:
    older = make_older_set(cut(dataset, root))
    gone = read_rows(older.folder)[0][0]["speaker_id"]
    replace_rows(older.folder, [(row, audio) for row, audio in read_rows(older.folder) if row["speaker_id"] != gone])
    assert refreeze(older.folder, "erased").supersedes == older.digest


def test_no_file_of_it_may_be_written(dataset: Path, root: Path) -> None:
    files = [path for path in cut(dataset, root).folder.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert {path.stat().st_mode & 0o222 for path in files} == {0}


def test_a_development_set_is_another_set_whose_looks_are_free(dataset: Path, root: Path) -> None:
    frozen = cut(dataset, root, split="dev")
    assert (frozen.name, frozen.looks, frozen.split, frozen.rows) == ("home-2026-11-20-dev", "free", "dev", 2)
    assert [one.name for one in list_evaluation_sets(root)] == ["home-2026-11-20-dev"]


def test_the_newest_since_a_day_is_of_the_family_and_its_looks_are_counted(dataset: Path, root: Path) -> None:
    days = [date(2026, 11, day) for day in (18, 20, 22)]
    for day in days:
        cut(dataset, root, date=day)
    cut(dataset, root, date=date(2026, 11, 24), split="dev")
    found = [find_cut_since(root, "emotion", date(2026, 11, day)) for day in (1, 20, 21, 23)]
    assert [one and one.name for one in found] == ["home-2026-11-22"] * 3 + [None]
    assert find_cut_since(root, "asr", date(2026, 11, 1)) is None
    assert find_cut_since(root / "nowhere", "emotion", days[0]) is None


def test_the_same_cut_again_changes_nothing(dataset: Path, root: Path) -> None:
    before = cut(dataset, root)
    moment = (before.folder / "evaluation_set.json").stat().st_mtime_ns
    assert cut(dataset, root) == before
    assert (before.folder / "evaluation_set.json").stat().st_mtime_ns == moment


def test_the_same_rows_in_another_order_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one", make_rows())
    other = write_rows(tmp_path / "other", reversed(make_rows()))
    sets = [cut(dataset, tmp_path / f"sets-{dataset.name}").folder for dataset in (one, other)]
    assert digest_tree(sets[0]) == digest_tree(sets[1])


@pytest.mark.parametrize("changed", ["a label", "a device", "a row less", "a row more"])
def test_other_content_of_that_name_is_refused(tmp_path: Path, dataset: Path, root: Path, changed: str) -> None:
    before = cut(dataset, root)
    rows = make_rows()
    tested = [row for row in rows if row["split"] == "test"]
    if changed == "a label":
        tested[0]["emotion"] = "sadness"
    elif changed == "a device":
        tested[0]["device"] = "phone"
    elif changed == "a row less":
        rows.remove(tested[0])
    else:
        rows.append(make_row(make_utterance("e3", 0), "test"))
    other = write_rows(tmp_path / "other", rows)
    with pytest.raises(RefusedError, match="is there with other content"):
        cut(other, root)
    assert verify_evaluation_set(before.folder) == before


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (leak(speaker_id="e1"), "speaker 'e1'"),
        (leak(session_id="e2-s0"), "session 'e2-s0'"),
        (leak(utterance_id="e2-0"), "utterance 'e2-0'"),
        (leak(waveform=make_utterance("e1", 1).waveform), "the same samples"),
        (leak(waveform=0.7 * make_utterance("e1", 1).waveform), "of bits differ"),  # type: ignore[operator]
    ],
    ids=["speaker", "session", "utterance", "recording", "changed recording"],
)
@pytest.mark.parametrize("where", ["in its training split", "in data trained on before"])
def test_what_training_knows_is_not_frozen(tmp_path: Path, root: Path, row: Row, named: str, where: str) -> None:
    here = where == "in its training split"
    dataset = write_rows(tmp_path / "dataset", [*make_rows(), *([row] if here else [])])
    before = write_rows(tmp_path / "before", [row])
    with pytest.raises(RefusedError, match=named):
        cut(dataset, root, trained=() if here else (before,))
    assert list_evaluation_sets(root) == []


def test_a_sentence_in_training_does_not_stop_a_cut(tmp_path: Path, root: Path) -> None:
    dataset = write_rows(tmp_path / "dataset", [*make_rows(), leak(text="sentence number 0 of e1")])
    asked = Cut(dataset, "home", DAY, "asr", "test")
    assert cut_evaluation_set(asked, root, CONFIG.model_copy(update={"sentence_blocks": True})).rows == 4


def test_data_without_training_rows_can_be_frozen(tmp_path: Path, root: Path) -> None:
    assert cut(write_rows(tmp_path / "dataset", make_rows({"test": ("e1",)})), root).rows == 2


def test_a_sound_that_cannot_be_compared_is_not_frozen(tmp_path: Path, root: Path) -> None:
    row = make_row(make_utterance("x", 0), "train") | {"sha256": "0" * 64}
    with pytest.raises(RefusedError, match="x-0"):
        cut(write_rows(tmp_path / "dataset", [*make_rows(), row]), root)


@pytest.mark.parametrize("domain", ["", "Home", "home/../x", "-home", "home accents"])
def test_a_domain_is_a_plain_name(dataset: Path, root: Path, domain: str) -> None:
    with pytest.raises(InputError, match="no name of a domain"):
        cut(dataset, root, domain=domain)
    assert not root.exists()


def test_an_empty_split_is_refused(tmp_path: Path, root: Path) -> None:
    with pytest.raises(InputError, match="no utterance in its split test"):
        cut(write_rows(tmp_path / "dataset", make_rows({"train": ("t1",)})), root)


def flip_a_byte(folder: Path) -> None:
    path = folder / "shards" / "part-00000.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def add_a_file(folder: Path) -> None:
    (folder / "shards" / "part-00001.parquet").write_bytes(b"more")


def remove_a_file(folder: Path) -> None:
    (folder / "rows.json").unlink()


def change_the_manifest(folder: Path) -> None:
    manifest = load_manifest(folder)
    write_manifest(manifest.model_copy(update={"corpus": "another"}), folder)


def forge_the_record(folder: Path) -> None:
    """Change a label and make the record agree with the new files, but not with the rows."""
    rows = read_rows(folder)
    rows[0][0]["emotion"] = "fear"
    replace_rows(folder, rows)
    path = folder / "evaluation_set.json"
    record = load_evaluation_set(folder).describe(folder)
    path.chmod(0o644)
    path.write_text(json.dumps(record.model_dump(mode="json")), encoding="utf-8")


def lose_the_record(folder: Path) -> None:
    (folder / "evaluation_set.json").unlink()


def cut_the_record_short(folder: Path) -> None:
    path = folder / "evaluation_set.json"
    path.chmod(0o644)
    path.write_text(path.read_text(encoding="utf-8")[:50], encoding="utf-8")


def rename_the_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere-2026-11-20"))


TAMPERING: list[Callable[[Path], None]] = [
    flip_a_byte,
    add_a_file,
    remove_a_file,
    change_the_manifest,
    forge_the_record,
    lose_the_record,
    cut_the_record_short,
    rename_the_folder,
]


@pytest.mark.parametrize("tamper", TAMPERING, ids=lambda one: one.__name__)
def test_whatever_is_changed_is_seen(dataset: Path, root: Path, tamper: Callable[[Path], None]) -> None:
    tamper(cut(dataset, root).folder)
    with pytest.raises(IntegrityError):
        [verify_evaluation_set(one.folder) for one in list_evaluation_sets(root)]
    with pytest.raises(VoxloopError):  # and no gate looks past it
        search_dataset(dataset, list_evaluation_sets(root), "emotion", CONFIG)


def test_an_erasure_is_frozen_again_and_names_what_was_before(dataset: Path, root: Path) -> None:
    before = cut(dataset, root)
    replace_rows(before.folder, [row for row in read_rows(before.folder) if row[0]["speaker_id"] != "e1"])
    with pytest.raises(IntegrityError):
        verify_evaluation_set(before.folder)
    after = refreeze(before.folder, "erasure of one speaker")
    assert verify_evaluation_set(after.folder) == after
    assert (after.supersedes, after.rows, after.speakers) == (before.digest, 2, 1)
    assert (after.name, after.date, after.reason) == (before.name, DAY, "erasure of one speaker")
    assert not any('"e1' in path.read_text(encoding="utf-8") for path in after.folder.glob("*.json"))
    assert refreeze(after.folder, "once more") == after


def test_freezing_again_what_is_whole_changes_nothing(dataset: Path, root: Path) -> None:
    before = cut(dataset, root)
    assert refreeze(before.folder, "nobody") == before


@pytest.mark.parametrize("change", ["added", "relabelled"])
def test_nothing_but_an_erasure_is_frozen_again(dataset: Path, root: Path, change: str) -> None:
    before = cut(dataset, root)
    rows = read_rows(before.folder)
    if change == "added":
        rows.append((rows[0][0] | {"utterance_id": "new"}, rows[0][1]))
    else:
        rows[0][0]["emotion"] = "fear"
    replace_rows(before.folder, rows)
    with pytest.raises(RefusedError, match="is not as it was frozen"):
        refreeze(before.folder, "a lie")
    with pytest.raises(IntegrityError):
        verify_evaluation_set(before.folder)


def test_a_set_emptied_by_an_erasure_does_not_stop_training(dataset: Path, root: Path) -> None:
    frozen = cut(dataset, root)
    replace_rows(frozen.folder, [])
    emptied = refreeze(frozen.folder, "both asked for it")
    assert emptied.rows == 0
    assert search_dataset(dataset, [emptied], "emotion", CONFIG).verdict is Verdict.PASS


def test_measures_are_frozen_with_their_rows(tmp_path: Path, root: Path) -> None:
    dataset = write_rows(tmp_path / "dataset", make_rows())
    write_measures({row["utterance_id"]: {"pitch": 100.0 + n} for n, row in enumerate(make_rows())}, dataset)
    frozen = cut(dataset, root)
    assert "measures.parquet" in frozen.files
    write_measures({row["utterance_id"]: {"pitch": 0.0} for row in make_rows()}, dataset)
    with pytest.raises(RefusedError, match="is there with other content"):
        cut(dataset, root)


def test_the_list_is_by_task_and_name(dataset: Path, root: Path) -> None:
    for domain in ("noise", "home"):
        cut(dataset, root, domain=domain)
    cut(dataset, root, task="asr")
    (root / "emotion" / ".home-2027-01-01.building-1-x").mkdir()
    found = [f"{one.task}/{one.name}" for one in list_evaluation_sets(root)]
    assert found == ["asr/home-2026-11-20", "emotion/home-2026-11-20", "emotion/noise-2026-11-20"]
    assert [one.task for one in list_evaluation_sets(root, "asr")] == ["asr"]
    assert list_evaluation_sets(root / "nowhere") == []


def test_a_set_has_what_its_task_is_judged_by(dataset: Path, root: Path) -> None:
    with pytest.raises(InputError, match="has no openness and no .* in its split test"):
        cut(dataset, root, task="personality")
    assert list_evaluation_sets(root) == []


def test_a_set_that_is_gone_is_noticed(dataset: Path, root: Path) -> None:
    cut(dataset, root)
    other = cut(dataset, root, split="dev")
    assert len(list_evaluation_sets(root)) == 2
    remove_tree(other.folder)
    for task in (None, "emotion"):
        with pytest.raises(IntegrityError, match="home-2026-11-20-dev is gone"):
            list_evaluation_sets(root, task)


def test_what_has_since_entered_training_blocks(tmp_path: Path, dataset: Path, root: Path) -> None:
    frozen = cut(dataset, root)
    heard = make_utterance("e1", 0)
    assert heard.waveform is not None
    leaks = [leak(utterance_id="e2-1"), leak(utterance_id="same", waveform=heard.waveform)]
    leaks.append(leak(utterance_id="quieter", waveform=0.5 * heard.waveform))
    rows = [*make_rows({"train": ("t1",), "dev": ("d1",), "test": ("new",)}), *leaks]
    later = write_rows(tmp_path / "later", rows)
    report = search_dataset(later, [frozen], "emotion", CONFIG)
    assert report.verdict is Verdict.FAIL
    (entered,) = (one for one in report.findings if one.kind == "entered training")
    assert (entered.side, entered.blocks, entered.train_utterances) == ("emotion/home-2026-11-20", True, 3)
    assert (entered.evaluation_utterances, entered.values) == (2, 2)
    assert {pair.train for pair in entered.pairs} == {"e2-1", "same", "quieter"}
