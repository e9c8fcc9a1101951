"""Labels beside the answers they are of: read from real files, joined whatever stands in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.monitoring.labelled import AT, KEYS, MODEL, Row, join, make_label, make_row
from tests.unit.monitoring.predictions import make_prediction
from voxloop.monitoring.feedback import Feedback, name_person, record_feedback
from voxloop.monitoring.labelled_answers import (
    ABSENT,
    CHOSEN,
    CONTRADICTED,
    OLD_PSEUDONYM,
    TWICE,
    UNCLEAR,
    UNFIT,
    UNREADABLE,
    Labelled,
    choose_writer,
    read_labelled,
)
from voxloop.monitoring.prediction import make_row as describe
from voxloop.monitoring.prediction import make_table
from voxloop.monitoring.prediction_files import hour_folder, write_batch
from voxloop.monitoring.request_lookup import know_request

LABEL, ROW = make_label(1, "anger", KEYS[0]), make_row(1, "fear", "s")


def corrected(by: str, label: str) -> Feedback:
    return replace(LABEL, number=2, key_id=by, label={"emotion": label})


def spoilt(**values: Any) -> Feedback:
    """Return a label with values of another kind, as its file may have them by now."""
    return replace(LABEL, **values)


@pytest.mark.parametrize(
    ("labels", "rows", "said", "uncounted"),
    [
        ([LABEL], [ROW], [("anger", "fear", "s", KEYS[0])], {}),
        ([LABEL, corrected(KEYS[0], "calm")], [ROW], [("calm", "fear", "s", KEYS[0])], {}),
        ([LABEL, corrected(KEYS[1], "anger")], [ROW], [("anger", "fear", "s", KEYS[0])], {}),
        ([replace(LABEL, key_id=KEYS[1]), LABEL], [ROW], [("anger", "fear", "s", KEYS[0])], {}),
        ([LABEL, corrected(KEYS[1], "calm")], [ROW], [], {CONTRADICTED: 1}),
        ([LABEL, replace(LABEL, label={"emotion": "calm"})], [ROW], [], {CONTRADICTED: 1}),
        ([LABEL], [ROW | {"speaker": None}], [("anger", "fear", "key " + "d" * 16, KEYS[0])], {}),
        ([LABEL], [ROW, ROW | {"is_shadow": True, "answer": "{}"}], [("anger", "fear", "s", KEYS[0])], {}),
        ([LABEL], [], [], {ABSENT: 1}),
        ([LABEL], [ROW | {"model_digest": "0" * 64}], [], {ABSENT: 1}),
        ([LABEL], [ROW | {"status": 503, "answer": None}], [], {ABSENT: 1}),
        ([LABEL], [ROW, make_row(1, "anger", "s")], [], {TWICE: 1}),
        ([LABEL], [ROW | {"answer": "{}"}], [], {UNCLEAR: 1}),
        ([LABEL], [ROW | {"answer": "[]"}], [], {UNCLEAR: 1}),
        ([None, LABEL], [ROW], [("anger", "fear", "s", KEYS[0])], {UNREADABLE: 1}),
        ([replace(LABEL, label={"text": "a"})], [ROW], [], {UNFIT: 1}),
        ([replace(LABEL, label={"emotion": 5})], [ROW], [], {UNFIT: 1}),
        ([spoilt(label=[])], [ROW], [], {UNFIT: 1}),
        ([spoilt(number="1")], [ROW], [], {UNFIT: 1}),
    ],
)
def test_what_counts_of_an_answer_and_its_labels(
    labels: list[Any], rows: list[Row], said: list[tuple[str, ...]], uncounted: dict[str, int]
) -> None:
    found = join(labels, rows)
    assert [(one.given, one.answered, one.speaker, one.key_id) for one in found.answers] == said
    assert found.uncounted == uncounted
    assert join(labels[::-1], rows[::-1]) == found


def test_who_has_two_pseudonyms_is_not_taken_for_two() -> None:
    rows = [make_row(number, "fear", f"s{number}", speaker_key=f"v{number}") for number in (9, 10)]
    found = join([make_label(9, "fear", KEYS[0]), make_label(10, "fear", KEYS[0])], rows)
    assert [one.speaker for one in found.answers] == ["s10"]
    assert found.uncounted == {OLD_PSEUDONYM: 1}


def read(home: Path) -> Labelled:
    write = choose_writer("emotion", {})
    assert callable(write)
    since, until = AT - timedelta(days=2), AT + timedelta(days=1)
    return read_labelled(home / "feedback", home / "log", "emotion", MODEL, write, since=since, until=until)


def write_down(home: Path, number: int, key: str = KEYS[0], **changes: Any) -> Path:
    """Have an answer in the log and its label in quarantine; return the file of the log."""
    prediction = make_prediction(number, **{"at": AT, "request_id": f"{number:032x}", "model_digest": MODEL, **changes})
    known = know_request(prediction)
    assert known is not None
    record_feedback(home / "feedback", known, {"emotion": "neutral"}, tenant="t", key_id=key, at=AT)
    table = make_table([describe(prediction, (f"{number:064x}", "v1"))])
    folder = hour_folder(home / "log", "emotion", prediction.at)
    return write_batch(folder, home / "log", "20261129T095930-0123abcd", number, table)


def test_nothing_is_measured_by_labels_of_people_who_were_given_what_was_doubtful(tmp_path: Path) -> None:
    write_down(tmp_path, 1)
    write_down(tmp_path, 2, key=name_person("anna"))
    found = read(tmp_path)
    assert [one.request_id for one in found.answers] == [f"{1:032x}"]
    assert found.uncounted == {CHOSEN: 1}


def test_labels_and_answers_of_the_span_are_read(tmp_path: Path) -> None:
    assert read(tmp_path) == Labelled(())
    write_down(tmp_path, 1)
    write_down(tmp_path, 2, at=AT - timedelta(hours=30))
    write_down(tmp_path, 3, at=AT - timedelta(days=2, seconds=1))
    write_down(tmp_path, 4, at=AT + timedelta(days=1))
    write_down(tmp_path, 5, at=AT - timedelta(days=9))
    write_down(tmp_path, 6, family="asr", answer={"text": "ja"})
    found = read(tmp_path)
    assert [(one.request_id[-1], one.given, one.answered) for one in found.answers] == [
        ("1", "neutral", "anger"),
        ("2", "neutral", "anger"),
    ]
    assert found.labels == ("anger", "neutral")
    assert (found.uncounted, found.unread) == ({}, ())


def spoil_label(home: Path) -> None:
    (path,) = home.glob("feedback/quarantine/emotion/*/*1-000001.json")
    path.write_text("{")


def spoil_answered_at(home: Path) -> None:
    (path,) = home.glob("feedback/quarantine/emotion/*/*1-000001.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"answered_at": "yesterday"}))


@pytest.mark.parametrize(("spoil", "uncounted"), [(spoil_label, {UNREADABLE: 1}), (spoil_answered_at, {ABSENT: 1})])
def test_a_label_nobody_can_read_is_counted(
    tmp_path: Path, spoil: Callable[[Path], None], uncounted: dict[str, int]
) -> None:
    write_down(tmp_path, 1)
    spoil(tmp_path)
    assert read(tmp_path) == Labelled((), (), uncounted)


def test_a_file_of_the_log_nobody_can_read_is_named(tmp_path: Path) -> None:
    write_down(tmp_path, 1).write_bytes(b"PAR1")
    found = read(tmp_path)
    assert (found.answers, found.uncounted) == ((), {ABSENT: 1})
    (named,) = found.unread
    assert named.startswith("20261129T095930-0123abcd-00000001-1.parquet: ")
