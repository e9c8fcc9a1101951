"""The leakage gate: every kind of leak, alone; a clean dataset; and whatever makes it unable to tell."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.leaks import SOUNDS
from tests.unit.data.leak_datasets import CONFIG, leak, make_rows, make_utterance, make_voice, write_rows
from voxloop.data.leak_rows import spell_sentence
from voxloop.data.leakage import LeakageConfig, search_dataset
from voxloop.data.leakage_page import write_page
from voxloop.data.leakage_report import KINDS, LeakageReport, read_report
from voxloop.data.schema import make_row
from voxloop.errors import InputError, IntegrityError
from voxloop.store.digests import digest_bytes
from voxloop.verdict import Verdict

HEARD = make_utterance("e1", 0)
Row = dict[str, Any]


def judge(folder: Path, *leaks: Row, config: LeakageConfig = CONFIG, parallel: bool = False) -> LeakageReport:
    dataset = write_rows(folder / "dataset", [*make_rows(), *leaks], parallel_texts=parallel)
    return search_dataset(dataset, [], "emotion", config)


def kinds(report: LeakageReport) -> set[tuple[str, str]]:
    return {(finding.kind, finding.side) for finding in report.findings}


def test_a_clean_dataset_passes(tmp_path: Path) -> None:
    report = judge(tmp_path)
    assert report.verdict is Verdict.PASS
    assert report.findings == ()
    assert report.lines() == ["leakage PASS: 4 training utterances against dev (2), test (4)"]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (leak(speaker_id="e1"), {"speaker"}),
        (leak(session_id="e1-s0"), {"session"}),
        (leak(utterance_id="e1-0"), {"utterance"}),
        (leak(waveform=HEARD.waveform), {"exact", "hidden speaker"}),
        (leak(waveform=HEARD.waveform, speaker_id="e1"), {"speaker", "exact"}),
        (leak(waveform=0.5 * HEARD.waveform), {"near", "hidden speaker"}),  # type: ignore[operator]
    ],
    ids=["speaker", "session", "utterance", "exact", "the same speaker", "near"],
)
def test_each_kind_alone_is_found_and_blocks(tmp_path: Path, row: Row, found: set[str]) -> None:
    report = judge(tmp_path, row)
    assert report.verdict is Verdict.FAIL
    assert kinds(report) == {(kind, "test") for kind in found}
    assert all(finding.blocks for finding in report.findings)
    assert {pair.train for finding in report.findings for pair in finding.pairs} == {row["utterance_id"]}
    assert report.count("utterance", "test") == ("utterance" in found)


@pytest.mark.parametrize("kind", sorted(SOUNDS.keys() - {"opus"}))  # Opus turns noise into other noise
def test_every_way_to_change_a_recording_is_seen_through(tmp_path: Path, kind: str) -> None:
    draw = np.random.default_rng(3)
    assert HEARD.waveform is not None
    report = judge(tmp_path, leak(waveform=SOUNDS[kind][0](make_voice(int.from_bytes(b"e1-0"), 1.0), draw)))
    assert (SOUNDS[kind][1], "test") in kinds(report)
    (pair,) = next(one.pairs for one in report.findings if one.kind == SOUNDS[kind][1])
    assert (pair.train, pair.evaluation) == ("t3-0", "e1-0")


def test_other_bytes_of_the_same_samples_are_an_exact_copy(tmp_path: Path) -> None:
    import io

    import soundfile

    row = leak(waveform=HEARD.waveform)
    buffer = io.BytesIO()
    soundfile.write(buffer, HEARD.waveform, 16_000, format="FLAC", subtype="PCM_16", compression_level=0.0)
    row |= {"audio": buffer.getvalue(), "sha256": digest_bytes(buffer.getvalue())}
    assert row["sha256"] != make_row(HEARD, "test")["sha256"]
    assert ("exact", "test") in kinds(judge(tmp_path, row))


def test_a_hidden_speaker_is_named_with_both_names(tmp_path: Path) -> None:
    report = judge(tmp_path, leak(waveform=HEARD.waveform))
    (finding,) = (one for one in report.findings if one.kind == "hidden speaker")
    assert finding.pairs[0].reason == "'t3' in training is 'e1' here"


@pytest.mark.parametrize(("side", "speaker"), [("dev", "d1"), ("test", "e2")])
def test_the_side_is_named(tmp_path: Path, side: str, speaker: str) -> None:
    assert kinds(judge(tmp_path, leak(session_id=f"{speaker}-s0"))) == {("session", side)}


ASR = CONFIG.model_copy(update={"sentence_blocks": True})


@pytest.mark.parametrize(
    ("config", "parallel", "verdict"),
    [(CONFIG, False, "PASS"), (CONFIG, True, "PASS"), (ASR, False, "FAIL"), (ASR, True, "PASS")],
    ids=["emotion", "emotion, parallel", "recognition", "recognition, parallel"],
)
def test_a_sentence_blocks_recognition_of_free_text(
    tmp_path: Path, config: LeakageConfig, parallel: bool, verdict: str
) -> None:
    report = judge(tmp_path, leak(text="Sentence  number 0 of E1!"), config=config, parallel=parallel)
    assert report.verdict == verdict
    (finding,) = report.findings
    assert (finding.kind, finding.side, finding.blocks) == ("sentence", "test", verdict == "FAIL")
    assert (finding.train_utterances, finding.evaluation_utterances, finding.values) == (1, 1, 1)


def test_parallel_texts_are_reported_whole(tmp_path: Path) -> None:
    rows = make_rows()
    for row in rows:
        row["text"] = f"sentence {row['utterance_id'][-1]}"
    dataset = write_rows(tmp_path / "dataset", rows, parallel_texts=True)
    report = search_dataset(dataset, [], "emotion", CONFIG)
    assert report.verdict is Verdict.PASS
    counted = [(one.side, one.train_utterances, one.evaluation_utterances, one.values) for one in report.findings]
    assert counted == [("dev", 4, 2, 2), ("test", 4, 4, 2)]


def test_a_text_without_sound_is_compared_too(tmp_path: Path) -> None:
    heard = make_row(make_utterance("e3", 0, waveform=None, session_id=None, text="all of it"), "test")
    dataset = write_rows(tmp_path / "dataset", [*make_rows(), heard, leak(waveform=None, text="all of it")])
    assert kinds(search_dataset(dataset, [], "personality", CONFIG)) == {
        ("exact", "test"),
        ("sentence", "test"),
        ("hidden speaker", "test"),
    }


@pytest.mark.parametrize(
    ("speakers", "missing"),
    [
        ({"dev": ("d",), "test": ("e",)}, "no training utterance"),
        ({"train": ("t",), "test": ("e",)}, "no utterance in dev"),
        ({"train": ("t",), "dev": ("d",)}, "no utterance in test"),
        ({}, "no training utterance"),
    ],
)
def test_an_empty_side_cannot_tell(tmp_path: Path, speakers: dict[str, tuple[str, ...]], missing: str) -> None:
    report = search_dataset(write_rows(tmp_path / "dataset", make_rows(speakers)), [], "emotion", CONFIG)
    assert report.verdict is Verdict.CANNOT_TELL
    assert any(missing in doubt for doubt in report.doubts)


def no_flac(row: Row) -> Row:
    return row | {"audio": b"not a sound", "sha256": digest_bytes(b"not a sound")}


def cut_short(row: Row) -> Row:
    return row | {"audio": row["audio"][:300], "sha256": digest_bytes(row["audio"][:300])}


def another_digest(row: Row) -> Row:
    return row | {"sha256": digest_bytes(b"another")}


@pytest.mark.parametrize("spoil", [no_flac, cut_short, another_digest])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_sound_that_cannot_be_read_cannot_tell(tmp_path: Path, split: str, spoil: Callable[[Row], Row]) -> None:
    spoilt = spoil(make_row(make_utterance("x", 0), split))
    report = search_dataset(write_rows(tmp_path / "dataset", [*make_rows(), spoilt]), [], "emotion", CONFIG)
    assert report.verdict is Verdict.CANNOT_TELL
    assert any("x-0" in doubt for doubt in report.doubts)


def test_a_leak_that_was_found_is_certain_whatever_else_cannot_be_read(tmp_path: Path) -> None:
    rows = [*make_rows(), leak(speaker_id="e1"), no_flac(make_row(make_utterance("t4", 0), "train"))]
    assert search_dataset(write_rows(tmp_path / "dataset", rows), [], "emotion", CONFIG).verdict is Verdict.FAIL


def test_counts_are_whole_while_the_list_is_short(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"listed_pairs": 3})
    leaks = [make_row(make_utterance("t3", number, session_id="e2-s0"), "train") for number in range(9)]
    (finding,) = judge(tmp_path, *leaks, config=config).findings
    assert (finding.train_utterances, finding.evaluation_utterances, finding.values) == (9, 2, 1)
    assert len(finding.pairs) == 3


def test_sounds_too_short_for_a_fingerprint_are_counted(tmp_path: Path) -> None:
    report = judge(tmp_path, leak(waveform=make_voice(9, 0.08)[:600]))
    assert (report.verdict, report.train_too_short) == (Verdict.PASS, 1)
    assert [side.too_short for side in report.sides] == [0, 0]


def test_a_changed_shard_is_not_judged(tmp_path: Path) -> None:
    dataset = write_rows(tmp_path / "dataset", make_rows())
    shard = dataset / "shards" / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="was changed"):
        search_dataset(dataset, [], "emotion", CONFIG)


def test_a_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a dataset"):
        search_dataset(tmp_path, [], "emotion", CONFIG)


def test_the_report_is_read_as_it_was_written_and_its_page_shows_every_pair(tmp_path: Path) -> None:
    report = judge(tmp_path, leak(waveform=HEARD.waveform, text="<script>"), leak(speaker_id="e1", utterance_id="<b>"))
    report.write(tmp_path)
    assert read_report(tmp_path) == report
    page = write_page(report, tmp_path).read_text(encoding="utf-8")
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert all(escape(KINDS[finding.kind]) in page for finding in report.findings)
    assert "FAIL" in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Lubię czytać, przed snem.", "lubię czytać przed snem"),
        ("Don\u2019t  stop!", "don't stop"),
        ("¿Qué?", "qué"),
        ("„Tak” — rzekł.", '"tak" - rzekł'),
    ],
)
def test_spelling_does_not_hide_a_sentence(one: str, other: str) -> None:
    assert spell_sentence(one, None) == spell_sentence(other, None)


@pytest.mark.parametrize(("one", "other"), [("bà", "bá"), ("a b", "ab"), ("two", "too")])
def test_different_sentences_stay_different(one: str, other: str) -> None:
    assert spell_sentence(one, None) != spell_sentence(other, None)
