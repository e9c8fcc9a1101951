"""Callers who let their sound be kept: a prediction log on the disk, and labels that wait in quarantine."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.data.leak_datasets import make_voice
from tests.unit.monitoring.labelled import KEYS, LABELS, POLICY
from tests.unit.monitoring.predictions import make_prediction
from voxloop.config import find_config
from voxloop.data.poison_config import load_policy
from voxloop.monitoring.collection import Collection, Interval, collect_corpus
from voxloop.monitoring.feedback import record_feedback
from voxloop.monitoring.prediction import make_row, make_table
from voxloop.monitoring.prediction_files import hour_folder, write_batch
from voxloop.monitoring.request_ids import make_request_id
from voxloop.monitoring.request_lookup import know_row
from voxloop.speech.waveform import encode_flac

DAY = datetime(2026, 11, 28, tzinfo=UTC)
NOON = DAY + timedelta(hours=12)
WRITER = "20261128T000000-0123abcd"
SPEAKERS, EACH = 12, 12
SOUND = encode_flac(make_voice(1, seconds=0.4))

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what makes thousands of small files survive a loss of power; nobody here loses it."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def make_answer(number: int, said: str, speaker: int | None, **changes: Any) -> Row:
    """Return the row of an answer with consent, half a second after the one before."""
    at = NOON + timedelta(seconds=number / 2)
    answer = {"emotion": said, "probabilities": {label: 0.7 if label == said else 0.1 for label in LABELS}}
    given = {"at": at, "request_id": make_request_id(at), "answer": answer, "consent": True, "duration_s": 0.4}
    pseudonym = None if speaker is None else (f"{speaker:064x}", "v1")
    return {**make_row(make_prediction(0, **given), pseudonym), "audio": SOUND, **changes}


def make_answers(*, wrong_of_six: int = 2, speakers: int = SPEAKERS, each: int = EACH) -> list[tuple[Row, str]]:
    """Return answers and what each should have been: of a speaker so many of six are wrong, one more or less."""
    made = []
    for number in range(speakers * each):
        speaker, place = divmod(number, each)
        truth = LABELS[place % len(LABELS)]
        is_wrong = place % 6 < wrong_of_six + speaker // 3 % 3 - 1
        made.append((make_answer(number, LABELS[(place + 1) % 4] if is_wrong else truth, speaker), truth))
    return made


def write_log(place: Path, rows: list[Row], number: int = 1) -> Path:
    return write_batch(hour_folder(place, rows[0]["family"], NOON), place, WRITER, number, make_table(rows))


def give_label(feedback: Path, row: Row, label: dict[str, Any], key: str) -> None:
    known = know_row(row)
    assert known is not None
    record_feedback(feedback, known, label, tenant="t", key_id=key, at=NOON + timedelta(days=1))


def label_all(
    feedback: Path,
    answers: list[tuple[Row, str]],
    change: Callable[[str, str, int], str] = lambda _, truth, __: truth,
) -> None:
    """Have every key label the answers of its speakers, as `change` of the key, the truth and the number says."""
    for number, (row, truth) in enumerate(answers):
        key = KEYS[number // EACH % len(KEYS)]
        give_label(feedback, row, {"emotion": change(key, truth, number)}, key)


def guess(draw: np.random.Generator) -> str:
    return LABELS[int(draw.integers(len(LABELS)))]


def ask(home: Path, family: str = "emotion") -> Interval:
    return Interval(home / "predictions", home / "feedback", family, DAY, DAY + timedelta(days=1))


def collect(home: Path, out: Path, *, erased: frozenset[str] = frozenset(), family: str = "emotion") -> Collection:
    poison = load_policy(find_config("poison", family), ())
    return collect_corpus(ask(home, family), POLICY, poison, erased, out)
