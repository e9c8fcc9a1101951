from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fixtures.tiny_lhotse import (
    CALL,
    CALL_HERTZ,
    ONE,
    recording,
    source,
    supervision,
    write_lines,
    write_sounds,
    write_tiny_lhotse,
)
from tests.unit.data.corpora.reading import list_corpus, read_corpus
from voxloop.errors import CorpusError
from voxloop.speech.waveform import SAMPLE_RATE, Waveform


def loudest_hertz(waveform: Waveform | None) -> float:
    assert waveform is not None
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform))))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(waveform))


def test_supervisions_become_rows_with_their_segment_and_channel(tmp_path: Path) -> None:
    rows, refused = read_corpus("lhotse", write_tiny_lhotse(tmp_path / "lhotse"))
    assert refused == {}
    one = rows["supervisions.jsonl#one-1"]
    assert (one.utterance_id, one.speaker_id, one.session_id) == ("one-1", "4051", "one")
    assert (one.text, one.language, one.gender, one.emotion) == ("ONE TWO", "en", "female", None)
    left, right = rows["supervisions.jsonl#call-a"], rows["supervisions.jsonl#call-b"]
    assert (left.emotion, right.emotion) == ("anger", "tender")
    assert (left.language, right.language, right.text) == ("pl", "und", None)
    assert left.waveform is not None
    assert right.waveform is not None
    assert (len(left.waveform), len(right.waveform)) == (8_000, 12_000)
    assert loudest_hertz(left.waveform) == pytest.approx(CALL_HERTZ[0], abs=3.0)
    assert loudest_hertz(right.waveform) == pytest.approx(CALL_HERTZ[1], abs=3.0)


@pytest.mark.parametrize(
    ("of_supervision", "of_recording", "device", "reason"),
    [
        ({"device": "Pixel 8"}, {}, "Pixel 8", None),
        ({}, {"device": "Pixel 8"}, "Pixel 8", None),
        ({"device": "a headset"}, {"device": "Pixel 8"}, "a headset", None),
        ({"device": " Pixel\n 8 "}, {}, "Pixel 8", None),
        ({"device": None}, {"device": "Pixel 8"}, "Pixel 8", None),
        ({"device": " "}, {}, None, None),
        ({}, {}, None, None),
        ({"device": 8}, {"device": "Pixel 8"}, None, "unknown label"),
        ({}, {"device": ["Pixel 8"]}, None, "unknown label"),
        ({"device": False}, {}, None, "unknown label"),
    ],
)
def test_a_device_is_what_a_supervision_or_else_its_recording_says(
    tmp_path: Path,
    of_supervision: dict[str, Any],
    of_recording: dict[str, Any],
    device: str | None,
    reason: str | None,
) -> None:
    write_sounds(tmp_path)
    write_lines(tmp_path / "recordings.jsonl", ONE | {"custom": of_recording})
    write_lines(tmp_path / "supervisions.jsonl", supervision("a", "one", 0.0, 1.0, speaker="x", custom=of_supervision))
    rows, refused = read_corpus("lhotse", tmp_path)
    assert [row.device for row in rows.values()] == ([] if reason else [device])
    assert list(refused.values()) == ([reason] if reason else [])


def test_a_part_of_a_recording_of_one_channel_is_cut_out(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    write_lines(tmp_path / "recordings.jsonl", ONE)
    write_lines(tmp_path / "supervisions.jsonl", supervision("a", "one", 0.25, 0.5, speaker="x"))
    rows, refused = read_corpus("lhotse", tmp_path)
    assert refused == {}
    (row,) = rows.values()
    assert row.waveform is not None
    assert len(row.waveform) == 8_000


def cut(name: str, start: float, duration: float, *supervisions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    where = {"start": start, "duration": duration, "channel": 0}
    return {"id": name, **where, "supervisions": list(supervisions), "type": "MonoCut", **fields}


def test_cuts_count_from_their_own_start_and_need_no_other_manifest(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    inside = supervision("call-b", "call", 0.25, 0.5, speaker="b") | {"channel": 1}
    write_lines(tmp_path / "cuts.jsonl.gz", cut("c1", 1.0, 1.0, inside, recording=CALL))
    rows, refused = read_corpus("lhotse", tmp_path)
    assert refused == {}
    assert rows["cuts.jsonl.gz#call-b"].waveform is not None
    assert loudest_hertz(rows["cuts.jsonl.gz#call-b"].waveform) == pytest.approx(CALL_HERTZ[1], abs=3.0)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (cut("c", 0.0, 1.0, recording=ONE), "no supervision"),
        (cut("c", 0.0, 1.0, supervision("s", "one", 0, 1, speaker="x"), type="MixedCut"), "not one recording"),
        (cut("c", 0.0, 0.5, supervision("s", "one", 0, 1, speaker="x"), recording=ONE), "out of range"),
        (cut("c", 0.5, 1.0, supervision("s", "one", 0, 1, speaker="x"), recording=ONE), "out of range"),
        (cut("c", 0.0, 1.0, supervision("s", "two", 0, 1, speaker="x")), "missing audio"),
    ],
)
def test_a_cut_that_is_no_plain_part_of_one_recording_is_refused(
    tmp_path: Path, entry: dict[str, Any], reason: str
) -> None:
    write_sounds(tmp_path)
    write_lines(tmp_path / "cuts.jsonl", entry)
    rows, refused = read_corpus("lhotse", tmp_path)
    assert (rows, list(refused.values())) == ({}, [reason])


@pytest.mark.parametrize(
    ("sound", "said", "reason"),
    [
        (source("sox one.wav -t wav - |", kind="command"), {}, "not a file"),
        (source("https://example.org/one.wav", kind="url"), {}, "not a file"),
        (source("../secret.wav"), {}, "outside the corpus"),
        (source("/etc/hostname"), {}, "outside the corpus"),
        (source("audio/none.wav"), {}, "missing audio"),
        (source("audio/one.wav", (1,)), {}, "missing audio"),
        (source("audio/one.wav", (5, 0)), {"channel": 0}, "out of range"),
        (source("audio/one.wav"), {"channel": [0, 1]}, "not one recording"),
        (source("audio/one.wav"), {"speaker": None}, "no speaker"),
        (source("audio/one.wav"), {"language": "Klingon"}, "unknown label"),
        (source("audio/one.wav"), {"gender": "?"}, "unknown label"),
        (source("audio/one.wav"), {"duration": 1.5}, "out of range"),
    ],
)
def test_a_source_that_would_be_run_fetched_or_guessed_is_refused(
    tmp_path: Path, sound: dict[str, Any], said: dict[str, Any], reason: str
) -> None:
    folder = tmp_path / "corpus"
    write_sounds(folder)
    (tmp_path / "secret.wav").write_bytes((folder / "audio" / "one.wav").read_bytes())
    write_lines(folder / "recordings.jsonl", recording("one", 1.0, sound))
    write_lines(folder / "supervisions.jsonl", {**supervision("s", "one", 0.0, 1.0, speaker="x"), **said})
    rows, refused = read_corpus("lhotse", folder)
    assert (rows, list(refused.values())) == ({}, [reason])


def test_what_nobody_supervises_what_is_named_twice_and_what_is_perturbed_is_counted(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    fast = {**ONE, "id": "fast", "transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}
    write_lines(tmp_path / "recordings.jsonl", ONE, CALL, fast)
    said = supervision("s", "one", 0.0, 1.0, speaker="x")
    write_lines(tmp_path / "supervisions.jsonl", said, said, supervision("f", "fast", 0.0, 1.0, speaker="x"))
    _, refused = read_corpus("lhotse", tmp_path)
    candidates = list_corpus("lhotse", tmp_path)
    assert len(candidates) == 4
    assert sorted(refused.values()) == ["changed sound", "named twice", "no supervision"]


def test_paths_of_another_machine_lose_their_beginning(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    write_lines(tmp_path / "recordings.jsonl", recording("one", 1.0, source("/home/somebody/audio/one.wav")))
    write_lines(tmp_path / "supervisions.jsonl", supervision("s", "one", 0.0, 1.0, speaker="7"))
    assert list(read_corpus("lhotse", tmp_path)[1].values()) == ["outside the corpus"]
    rows, refused = read_corpus("lhotse", tmp_path, "strip_prefix=/home/somebody", "speaker_prefix=mine-")
    assert refused == {}
    assert [row.speaker_id for row in rows.values()] == ["mine-7"]


def test_with_both_kinds_of_rows_somebody_must_say_which(tmp_path: Path) -> None:
    folder = write_tiny_lhotse(tmp_path)
    inside = supervision("one-1", "one", 0.0, 1.0, speaker="4051")
    write_lines(folder / "manifests" / "cuts.jsonl", cut("c", 0.0, 1.0, inside))
    with pytest.raises(CorpusError, match="both cuts and supervisions"):
        list_corpus("lhotse", folder)
    assert len(list_corpus("lhotse", folder, "read=cuts")) == 1
    assert len(list_corpus("lhotse", folder, "read=supervisions")) == 3


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jsonl", b"{}\n", r"a\.jsonl is broken in line 1: it is neither"),
        ("a.jsonl", b"\n[1]\n", "broken in line 1: it is no JSON object"),
        ("a.jsonl", b'{"id": "x"\n', "broken in line 1"),
        ("a.jsonl", b'{"id": "x", "recording_id": "y", "start": "z", "duration": 1}\n', "start: Input should be"),
        ("a.jsonl", b'{"id": "x", "recording_id": "y", "start": 0, "duration": 0}\n', "duration: Input should be"),
        ("a.jsonl", b"\xff\n", "cannot be read"),
        ("a.jsonl.gz", b"not gzip", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"id": 1}\n' * 999, mtime=0)[:-30], "cannot be read|broken in line 1"),
    ],
)
def test_a_manifest_that_is_none_is_named_with_its_line(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=problem):
        list_corpus("lhotse", tmp_path)
