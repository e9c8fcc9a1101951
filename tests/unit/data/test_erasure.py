"""One speaker taken out of datasets, tables and texts: they are gone, everybody else is as they were."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.data.broken_tables import spoil_pages
from tests.unit.jobs.datasets import make_older, make_rows, write_dataset
from voxloop.data.dataset_columns import read_columns
from voxloop.data.erasure import erase_from_dataset, erase_from_file, erase_from_table
from voxloop.data.erasure_scan import Names, find_links, find_utterances, holds, mask_rows, mentions, walk_files
from voxloop.data.manifest import load_manifest, write_manifest
from voxloop.data.report_markup import make_declaration
from voxloop.data.shards import iter_audio, read_manifest
from voxloop.data.tally import DatasetTally
from voxloop.errors import IntegrityError
from voxloop.store.digests import digest_tree, list_files

SPEAKERS = {"train": ["ann", "bob"], "dev": ["cat"], "test": ["dan"]}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Return a dataset of three shards; ann is in the first, bob in the first two, cat and dan in the last."""
    rows = make_rows(SPEAKERS, ("anger", "neutral"))
    parts = [
        write_dataset(tmp_path / "first", rows[:3]),
        write_dataset(tmp_path / "second", rows[3:4]),
        write_dataset(tmp_path / "third", rows[4:]),
    ]
    whole = write_dataset(tmp_path / "dataset", rows)
    (whole / "shards" / "part-00000.parquet").unlink()
    entries = []
    for number, part in enumerate(parts):
        (entry,) = load_manifest(part).shards
        name = f"shards/part-{number:05d}.parquet"
        shutil.copy(part / entry.path, whole / name)
        entries.append(entry.model_copy(update={"path": name}))
    write_manifest(load_manifest(whole).model_copy(update={"shards": tuple(entries)}), whole)
    return whole


def names_of(dataset: Path, speaker: str) -> Names:
    return Names(speaker, find_utterances(walk_files(dataset), speaker))


def test_their_rows_go_and_everybody_elses_stay_to_the_byte(dataset: Path) -> None:
    before = {row["utterance_id"]: (row, waveform.tobytes()) for row, waveform in iter_audio(dataset)}
    shards = {entry.path: entry.sha256 for entry in load_manifest(dataset).shards}
    assert erase_from_dataset(dataset, names_of(dataset, "ann")) == 2
    after = {row["utterance_id"]: (row, waveform.tobytes()) for row, waveform in iter_audio(dataset)}
    assert after == {key: value for key, value in before.items() if value[0]["speaker_id"] != "ann"}
    assert list(after) == [key for key in before if key in after]
    kept = {entry.path: entry.sha256 for entry in load_manifest(dataset).shards}
    assert len(set(kept.items()) & set(shards.items())) == 2, "shards without them keep name and bytes"
    assert sorted(list_files(dataset / "shards")) == sorted(Path(path).name for path in kept)


def test_the_manifest_counts_what_is_left(dataset: Path) -> None:
    erase_from_dataset(dataset, names_of(dataset, "ann"))
    manifest = load_manifest(dataset)
    assert (manifest.utterances, manifest.speakers, manifest.erased) == (6, 3, 2)
    assert manifest.hours == round(6 * 0.6 / 3600, 6)
    assert manifest.labels == {"emotion": {"anger": 3, "neutral": 3}, "language": {"en": 6}}
    tally = DatasetTally()
    for row in read_manifest(dataset).to_pylist():
        tally.add(row)
    assert manifest.numbers == tally.numbers()
    assert (manifest.splits["train"].utterances, manifest.splits["train"].speakers) == (2, 1)
    assert sum(entry.rows for entry in manifest.shards) == 6


def test_of_a_dataset_from_before_a_column_some_shards_get_it(dataset: Path) -> None:
    make_older(dataset)
    erase_from_dataset(dataset, names_of(dataset, "ann"))
    columns = {"device" in pq.read_schema(dataset / entry.path).names for entry in load_manifest(dataset).shards}
    assert columns == {True, False}
    assert read_manifest(dataset)["device"].null_count == read_columns(dataset)["device"].null_count == 6
    assert [row["device"] for row, _ in iter_audio(dataset)] == [None] * 6


def test_a_second_time_changes_nothing(dataset: Path) -> None:
    names = names_of(dataset, "ann")
    erase_from_dataset(dataset, names)
    before = digest_tree(dataset)
    assert erase_from_dataset(dataset, names) == 0
    assert digest_tree(dataset) == before


def test_all_of_them_erased_an_empty_dataset_is_left(dataset: Path) -> None:
    for speaker in ("ann", "bob", "cat", "dan"):
        erase_from_dataset(dataset, names_of(dataset, speaker))
    manifest = load_manifest(dataset)
    assert (manifest.utterances, manifest.shards, manifest.hours, manifest.labels) == (0, (), 0.0, {})
    assert read_manifest(dataset).num_rows == 0
    assert list(iter_audio(dataset)) == []


@pytest.mark.parametrize("moment", ["before the manifest", "after the manifest"])
def test_killed_at_the_switch_it_goes_on(dataset: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    undisturbed = Path(shutil.copytree(dataset, dataset.with_name("copy")))
    erase_from_dataset(undisturbed, names_of(undisturbed, "bob"))
    names = names_of(dataset, "bob")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"voxloop.data.erasure.{'write_manifest' if moment.startswith('before') else 'walk_files'}", stop)
        with pytest.raises(KeyboardInterrupt):
            erase_from_dataset(dataset, names)
    found = {row["utterance_id"] for row, _ in iter_audio(dataset)}  # readable at every moment
    assert len(found) in (6, 8)
    erase_from_dataset(dataset, names)
    assert list_files(dataset) == list_files(undisturbed)


def test_a_shard_that_was_changed_is_not_made_to_look_right(dataset: Path) -> None:
    path = dataset / load_manifest(dataset).shards[0].path
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    with pytest.raises(IntegrityError, match="was changed since it was written"):
        erase_from_dataset(dataset, names_of(dataset, "ann"))


def test_tables_pages_and_records_beside_the_shards_are_cleared(dataset: Path) -> None:
    names = names_of(dataset, "ann")
    pq.write_table(
        pa.table({"utterance_id": ["ann-anger-0", "bob-anger-0"], "f0": [1.0, 2.0]}), dataset / "measures.parquet"
    )
    (dataset / "listing.html").write_text("<td>ann-anger-0</td>")
    (dataset / "_record.json").write_text("{}")
    erase_from_dataset(dataset, names)
    assert pq.read_table(dataset / "measures.parquet")["utterance_id"].to_pylist() == ["bob-anger-0"]
    assert not (dataset / "listing.html").exists()
    assert not (dataset / "_record.json").exists(), "the result is no longer what its step made"


def test_a_table_loses_the_rows_that_name_them_in_any_column_of_text(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    columns = {"one": ["a-1", "b-1", "b-2"], "two": ["b-1", "a-1", None], "speaker_id": ["x", "b", "a"], "n": [1, 2, 3]}
    pq.write_table(pa.table({**columns, "kept": ["a-1x", "", "z"]}), path)
    assert erase_from_table(path, Names("a", frozenset({"a-1"}))) == 3
    assert pq.read_table(path).num_rows == 0
    before = path.read_bytes()
    assert erase_from_table(path, Names("a", frozenset({"a-1"}))) == 0
    assert path.read_bytes() == before


def test_a_log_loses_lines_and_another_text_the_whole(tmp_path: Path) -> None:
    names = Names("ann", frozenset({"ann-anger-0"}))
    (tmp_path / "kfp.log").write_text("one\nrefused ann-anger-0: silence\nthree\n")
    (tmp_path / "report.json").write_text(json.dumps({"worst": ["ann-anger-0"]}))
    assert erase_from_file(tmp_path / "kfp.log", names) == "1 lines"
    assert (tmp_path / "kfp.log").read_text() == "one\nthree\n"
    erase_from_file(tmp_path / "report.json", names)
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize(
    ("name", "text", "held"),
    [
        ("a.json", '{"worst": ["ann-anger-0"]}', True),
        ("a.json", '{"per_speaker": {"03": 1}}', True),
        ("a.json", '{"note": "ann-anger-01 is another"}', False),
        ("a.html", "<td>ann-anger-0</td>", True),
        ("a.html", "<td>03</td>", False),
        ("a.html", "<p>ann-anger-00</p>", False),
        ("a.html", make_declaration(["03"]), True),
        ("a.html", make_declaration(["030", 'a "quoted" one']), False),
        ("a.txt", "row 'ann-anger-0', too loud.", True),
        ("a.json", "not json ann-anger-0", True),
        ("speakers.json", '{"train": ["03"]}', False),
        ("manifest.json", '{"speakers": ["03"]}', False),
        ("ask-ann-anger-0.wav", "RIFF", True),
        ("ask-bob-anger-0.wav", "RIFF", False),
        ("model.onnx", "ann-anger-0", False),
        ("a.json", '{"why": "training utterance ann-anger-0: it cannot be decoded"}', True),
        ("a.json", '{"file": "ann/ann-anger-0.WAV"}', True),
        ("a.txt", "refused ann/ann-anger-0.tar.wav.gz and ann/ann-anger-0.wav", True),
        ("a.jsonl", '{"n": 1}\n{"why": "see 03/ann-anger-0.wav"}\n', True),
        ("a.jsonl", '{"speaker": "\\u0030\\u0033"}', True),
        ("a.jsonl", '{"why": "line 03 of 10"}', False),
        ("A.TXT", "ann-anger-0", True),
        ("ask-ann-anger-0.WAV", "RIFF", True),
        ("ann-anger-0.m4a", "", True),
        ("ann-anger-0.webm", "", True),
        ("ann-anger-0.raw", "", True),
        ("ann-anger-0.npy", "", True),
    ],
)
def test_who_is_in_a_file(tmp_path: Path, name: str, text: str, held: bool) -> None:
    (tmp_path / name).write_text(text)
    assert holds(tmp_path / name, Names("03", frozenset({"ann-anger-0"}))) is held


@pytest.mark.parametrize("name", ["a.jsonl.gz", "A.JSONL.GZ", "a.txt.gz"])
def test_a_packed_text_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b'{"worst": "ann-anger-0"}\n'))
    assert holds(tmp_path / name, Names("ann", frozenset({"ann-anger-0"})))
    assert not holds(tmp_path / name, Names("bob", frozenset({"bob-anger-0"})))
    (tmp_path / name).write_bytes(b"not packed")
    with pytest.raises(IntegrityError, match="cannot be read"):
        holds(tmp_path / name, Names("ann", frozenset()))


NESTED = pa.table(
    {
        "lists": pa.array([["x", "a-1"], None, [], ["y"], ["z"]]),
        "pairs": pa.array([[None], [], None, [{"speaker_id": "a"}], [{"speaker_id": "b"}]]),
        "maps": pa.array([[], [("k", "a-1")], [], [], None], pa.map_(pa.string(), pa.string())),
        "sized": pa.array([["x"], ["x"], ["a-1"], ["x"], ["x"]], pa.list_(pa.string(), 1)),
        "n": [0, 1, 2, 3, 4],
    }
)


@pytest.mark.parametrize("kind", ["parquet", "PARQUET", "arrow file", "arrow stream"])
def test_ids_inside_lists_and_structures_are_found(tmp_path: Path, kind: str) -> None:
    suffix, _, form = kind.partition(" ")
    path = tmp_path / f"rows.{suffix}"
    if form:
        make = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
        with make(path, NESTED.schema) as writer:
            writer.write_table(NESTED)
    else:
        pq.write_table(NESTED, path)
    assert holds(path, Names("a", frozenset({"a-1"})))
    assert not holds(path, Names("c", frozenset({"c-1"})))
    erase_from_file(path, Names("a", frozenset({"a-1"})))
    left = pq.read_table(path)["n"].to_pylist() if path.exists() else None
    assert left == (None if form else [4])


def test_each_row_of_a_cut_table_is_judged_by_itself() -> None:
    for start in range(5):
        mask = mask_rows(NESTED.slice(start), Names("a", frozenset({"a-1"}))).to_pylist()
        assert mask == [True, True, True, True, False][start:]


def test_what_is_null_shifts_no_row() -> None:
    null_but_full = pa.ListArray.from_arrays(
        pa.array([0, 1, 2, 3]), pa.array(["x", "a-1", "a-1"]), mask=pa.array([False, True, False])
    )
    sized = pa.array([None, ["x"], ["a-1"]], pa.list_(pa.string(), 1))
    for column in (null_but_full, sized):
        assert mask_rows(pa.table({"c": column}), Names("a", frozenset({"a-1"}))).to_pylist() == [False, False, True]


def test_paths_and_messages_in_a_table_are_taken_apart_and_transcripts_are_not(tmp_path: Path) -> None:
    columns = {
        "path": ["ann/ann-01.wav", "bob/bob-01.wav", "bob/b2.wav", "bob/b3.wav"],
        "detail": ["", "", "as loud as ann-01, refused", "ann is a word"],
        "text": ["", "ann-01 and ann", "", ""],
    }
    pq.write_table(pa.table(columns), tmp_path / "quarantine.parquet")
    names = Names("ann", frozenset({"ann-01"}))
    assert erase_from_table(tmp_path / "quarantine.parquet", names) == 2
    assert pq.read_table(tmp_path / "quarantine.parquet")["path"].to_pylist() == ["bob/bob-01.wav", "bob/b3.wav"]


def test_linked_folders_are_walked_once_and_under_the_name_they_have_here(tmp_path: Path) -> None:
    root = tmp_path / "home"
    for path in (root / "runs" / "a", tmp_path / "big" / "step" / "b", tmp_path / "away" / "c", tmp_path / "beside"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    links = {"store": tmp_path / "big", "runs/again": root / "runs", "up": tmp_path, "features": tmp_path / "away"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    (tmp_path / "big" / "deeper").symlink_to(tmp_path / "away")
    found = [path.relative_to(root).as_posix() for path in walk_files(root, {root / "features"})]
    assert found == ["runs/a", "store/step/b"], "what is skipped stays so by whatever name"
    found = [path.relative_to(root).as_posix() for path in walk_files(root)]
    assert found == ["runs/a", "features/c", "store/step/b"]
    assert find_links(root) == [root / "features", root / "store"]


def test_an_id_of_two_letters_is_no_word() -> None:
    assert not mentions("line 03 of 10", Names("03", frozenset()), is_json=False)


def test_a_table_nobody_can_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(IntegrityError, match="broken.parquet is no Parquet file"):
        holds(tmp_path / "broken.parquet", Names("ann", frozenset()))


def test_a_table_with_a_broken_page_is_said_and_hides_no_other(dataset: Path) -> None:
    path = dataset / "a.parquet"
    spoil_pages(path, {"speaker_id": ["ann"], "utterance_id": ["ann-anger-9"]})
    assert pq.read_schema(path).names == ["speaker_id", "utterance_id"]
    assert "ann-anger-0" in names_of(dataset, "ann").utterances
    with pytest.raises(IntegrityError, match="a.parquet is no Parquet file"):
        holds(path, names_of(dataset, "ann"))
    with pytest.raises(IntegrityError, match="a.parquet is no Parquet file"):
        erase_from_table(path, Names("ann", frozenset()))
