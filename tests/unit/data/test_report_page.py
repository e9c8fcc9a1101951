from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.data.manifest import Manifest, load_manifest, write_manifest
from voxloop.data.report_markup import MOST_ROWS, escape_text, format_value
from voxloop.data.report_page import write_report
from voxloop.data.schema import QUARANTINE_SCHEMA
from voxloop.data.shards import read_manifest
from voxloop.data.splits import SPLITS
from voxloop.errors import InputError, IntegrityError
from voxloop.jobs.ingest import ingest

HOSTILE = '</pre><script>alert("1 & 2")</script>\u202e\x07\'{}$title'
SPEAKERS = {"train": ["s1", "s2"], "dev": ["s3"], "test": ["s4"]}


class Page:
    """A page taken apart by an XML parser: sections by title, tables by row."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text(encoding="utf-8")
        self.root = ET.fromstring(self.text.removeprefix("<!DOCTYPE html>\n"))  # noqa: S314 - our own page
        self.sections = {section.findtext("h2", ""): section for section in self.root.iter("section")}

    def rows(self, title: str, table: int = 0) -> list[list[str]]:
        found = self.sections[title].findall("table")[table]
        return [["".join(cell.itertext()) for cell in line if cell.find("svg") is None] for line in found.findall("tr")]

    def facts(self, title: str, table: int = 0) -> dict[str, list[str]]:
        return {name: values for name, *values in self.rows(title, table)}

    def notes(self, title: str) -> list[str]:
        return ["".join(note.itertext()) for note in self.sections[title].iter("p")]


def read_page(dataset: Path) -> Page:
    return Page(write_report(dataset))


def change_manifest(dataset: Path, **changes: Any) -> Manifest:
    manifest = load_manifest(dataset).model_copy(update=changes)
    write_manifest(manifest, dataset)
    return manifest


@pytest.fixture
def world(home: Path, tmp_path: Path) -> Path:
    sizes = (
        "world.home.speakers=3",
        "world.utterances_per_speaker=4",
        "world.traits.words=1",
        "speakers=[home-0000, home-0002]",
    )
    return ingest(out=tmp_path / "world", overrides=sizes)


def test_the_page_tells_what_manifest_and_rows_tell(world: Path) -> None:
    page, manifest, rows = read_page(world), load_manifest(world), read_manifest(world).to_pylist()
    origin = page.facts("What it is")
    assert origin["rows"] == [format_value(manifest.utterances)] == ["8"]
    assert origin["speakers"] == [format_value(manifest.speakers)] == ["2"]
    assert origin["hours"] == [f"{manifest.hours:,.6g}"]
    assert origin["licence"] == ["CC0-1.0 (8 rows)"]
    assert origin["source"] == ["speaker world (8 rows)"]
    assert origin["device"] == ["none"]
    fate = page.facts("What was found")
    assert fate["left out: speakers nobody asked for"] == [str(manifest.left_out)] == ["4"]
    assert fate["all that were found"] == ["12"]
    for split in SPLITS:
        count = manifest.splits[split]
        assert page.facts("Splits")[split][:2] == [str(count.utterances), str(count.speakers)]
    for column, counts in manifest.labels.items():
        shown = {name: int(values[0]) for name, values in page.facts(column).items() if name != column}
        assert shown == counts
    assert page.facts("emotion")["anger"] == ["2", *by_split(rows, "anger")]
    for shard in manifest.shards:
        assert page.facts("Files and configuration")[shard.path] == [str(shard.rows), shard.sha256]


def by_split(rows: list[dict[str, Any]], emotion: str) -> list[str]:
    counts = Counter(row["split"] for row in rows if row["emotion"] == emotion)
    return [str(counts[split]) for split in SPLITS]


def test_numbers_are_those_of_the_manifest_and_of_the_rows(world: Path) -> None:
    page, manifest, rows = read_page(world), load_manifest(world), read_manifest(world).to_pydict()
    for title, column in (("duration_s, s", "duration_s"), ("openness, points on its scale", "openness")):
        _, [count, mean, _, lowest, _, highest] = page.rows(title)
        values = rows[column]
        assert int(count) == len(values)
        assert float(mean) == pytest.approx(sum(values) / len(values), abs=6e-4)
        assert (lowest, highest) == (f"{min(values):,.3f}", f"{max(values):,.3f}")
        assert sum(int(bar.text or "0") for bar in page.sections[title].iter("title")) == len(values)
        if told := manifest.numbers.get(column):
            assert page.rows(title)[1][:3] == [str(told.count), f"{told.mean:,.3f}", f"{told.sd:,.3f}"]


def test_the_words_are_counted(tmp_path: Path) -> None:
    rows = make_rows(SPEAKERS, ["anger"])
    texts = ["a b  a", "Ł a\u0301", None, "a b  a"]
    page = read_page(
        write_dataset(tmp_path / "d", [{**row, "text": text} for row, text in zip(rows, texts, strict=True)])
    )
    facts = {name: value for name, [value] in page.facts("text").items()}
    assert {name: facts[name] for name in ("texts", "different texts", "words", "different words", "words a text")} == {
        "texts": "3",
        "different texts": "2",
        "words": "8",
        "different words": "4",
        "words a text": "2.667",
    }
    assert facts["alphabet (4 characters)"] == "a b Ł \u0301"
    assert page.rows("text", 1)[1:3] == [["a", "4"], ["b", "2"]]
    assert "1 of 4 rows have none." in page.notes("text")


def test_the_same_dataset_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    rows = make_rows(SPEAKERS)
    pages = [write_report(write_dataset(tmp_path / name / "d", rows)).read_bytes() for name in ("one", "two")]
    again = write_report(tmp_path / "one" / "d").read_bytes()
    assert pages[0] == pages[1] == again
    assert str(tmp_path).encode() not in pages[0]


def test_the_page_needs_and_runs_nothing(tmp_path: Path) -> None:
    page = read_page(write_dataset(tmp_path / "d", make_rows(SPEAKERS)))
    kinds = {element.tag for element in page.root.iter()}
    assert not kinds & {"script", "link", "a", "img", "iframe", "object", "form", "base"}
    assert not [
        name
        for element in page.root.iter()
        for name in element.attrib
        if name.startswith("on") or name in {"href", "src"}
    ]
    assert "url(" not in page.text
    assert "http://" not in page.text.lower()


def test_hostile_texts_are_harmless_wherever_they_stand(tmp_path: Path) -> None:
    columns = ("text", "emotion", "gender", "language", "source", "licence", "speaker_id")
    rows = [{**row, **dict.fromkeys(columns, HOSTILE)} for row in make_rows({"train": ["s1"]}, ["anger"])]
    dataset = write_dataset(tmp_path / "d", rows)
    change_manifest(
        dataset, corpus=HOSTILE, config={HOSTILE: HOSTILE}, quarantined={HOSTILE: 1}, text_normaliser=HOSTILE
    )
    write_quarantine(dataset, [dict.fromkeys(QUARANTINE_SCHEMA.names, HOSTILE)])
    page = read_page(dataset)
    assert "script" not in {element.tag for element in page.root.iter()}
    assert "<script" not in page.text
    assert page.text.count("&lt;script&gt;") >= len(columns)
    assert not {"\u202e", "\x07"} & set(page.text)
    assert [name for name in page.facts("emotion") if "script" in name] == [
        HOSTILE.replace("\u202e", "\\u202e").replace("\x07", "\\x07")
    ]


def write_quarantine(dataset: Path, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=QUARANTINE_SCHEMA), dataset / "quarantine.parquet")


def test_refusals_stand_by_reason_with_the_first_of_them(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "d", make_rows(SPEAKERS))
    refused = [{"path": f"{place:02d}.wav", "reason": "silent", "detail": "every sample is zero"} for place in range(7)]
    write_quarantine(dataset, [*refused, {"path": "x.wav", "reason": "empty", "detail": "it has no bytes"}])
    change_manifest(dataset, quarantined={"empty": 1, "silent": 7}, erased=2)
    page = read_page(dataset)
    assert page.rows("What was found", 1)[1:] == [
        ["silent", "7", " · ".join(f"{place:02d}.wav: every sample is zero" for place in range(3))],
        ["empty", "1", "x.wav: it has no bytes"],
    ]
    assert page.facts("What was found")["refused"] == ["8"]
    assert page.facts("What was found")["withheld: speakers who were erased"] == ["2"]
    assert page.facts("What was found")["all that were found"] == ["34"]


def test_empty_columns_are_said_to_be_empty(tmp_path: Path) -> None:
    empty = ("gender", "age", "openness", "text", "emotion")
    rows = [{**row, **dict.fromkeys(empty)} for row in make_rows(SPEAKERS)]
    page = read_page(write_dataset(tmp_path / "d", rows))
    assert not {"gender", "emotion", "text", "age, years"} & set(page.sections)
    [note] = page.notes("Empty columns")
    assert all(column in note for column in empty)
    assert "duration_s" not in note
    assert "speaker_id" not in note


def test_a_dataset_without_rows_has_a_page(tmp_path: Path) -> None:
    page = read_page(write_dataset(tmp_path / "d", []))
    assert page.facts("What it is")["rows"] == ["0"]
    assert "speaker_id" in page.notes("Empty columns")[0]


def test_many_speakers_and_labels_are_counted_and_not_listed(tmp_path: Path) -> None:
    many = [f"s{place:04d}" for place in range(130)]
    rows = [{**row, "emotion": f"e{place:03d}"} for place, row in enumerate(make_rows({"train": many}, ["anger"]))]
    page = read_page(write_dataset(tmp_path / "d", [*rows, *make_rows({"test": ["busy"]}, repeats=3)]))
    for title in ("Speakers", "emotion"):
        assert len(page.rows(title)) == 1 + MOST_ROWS
    assert "and 81 more" in page.notes("Speakers")
    assert page.rows("Speakers")[1][:3] == ["busy", "test", "18"]
    assert "and 86 more" in page.notes("emotion")


def test_a_folder_that_is_no_dataset_gets_no_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a dataset"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_dataset_that_contradicts_its_manifest_gets_no_page(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "d", make_rows(SPEAKERS))
    (dataset / load_manifest(dataset).shards[0].path).unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        write_report(dataset)
    assert not (dataset / "report.html").exists()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a<b>&'\"", "a&lt;b&gt;&amp;&#x27;&quot;"),
        ("zażółć 日本", "zażółć 日本"),
        ("a\x00b\tc\ufeff\u2028", "a\\x00b\\tc\\ufeff\\u2028"),
        ("x" * 400, "x" * 300 + "… (400 characters)"),
    ],
)
def test_escape_text(value: str, shown: str) -> None:
    assert escape_text(value) == shown
