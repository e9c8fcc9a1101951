from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.monitoring.predictions import make_prediction
from voxloop.errors import InputError, ServiceUnavailableError
from voxloop.monitoring.feedback import Feedback, check_label, order_families, read_quarantine, record_feedback
from voxloop.monitoring.prediction import make_row, make_table
from voxloop.monitoring.prediction_files import hour_folder, write_batch
from voxloop.monitoring.request_ids import make_request_id, moment_of
from voxloop.monitoring.request_lookup import KnownRequest, RecentRequests, find_request, know_request
from voxloop.tasks import FAMILIES

AT = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
TRAITS = {"traits": {"openness": 4.0, "extraversion": 2.5}}
moments = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def know(**changes: Any) -> KnownRequest:
    known = know_request(make_prediction(1, **{"request_id": make_request_id(AT), **changes}))
    assert known is not None
    return known


@given(moments)
def test_an_id_says_when_and_is_one_of_a_kind(at: datetime) -> None:
    made = make_request_id(at)
    told = moment_of(made)
    assert told is not None
    assert timedelta(0) <= at - told < timedelta(milliseconds=2)
    assert made != make_request_id(at)


@pytest.mark.parametrize("text", ["", "x" * 32, "0" * 32, "f" * 12 + "7" + "f" * 3 + "8" + "f" * 15, "\u0660" * 32])
def test_an_id_of_another_kind_says_nothing(text: str) -> None:
    assert moment_of(text) is None


def test_a_request_is_found_in_its_hour_by_its_answer(tmp_path: Path) -> None:
    just_before = datetime(2026, 11, 29, 9, 59, 59, 900_000, tzinfo=UTC)
    ids = [make_request_id(just_before) for _ in range(4)]
    made = [
        make_prediction(1, at=AT, request_id=ids[0], is_shadow=True),
        make_prediction(1, at=AT, request_id=ids[0], family="asr", answer={"text": "ja"}),
        make_prediction(1, at=AT, request_id=ids[1], status=503, answer=None),
        make_prediction(1, at=AT, request_id=ids[2], is_shadow=True),
    ]
    for number, prediction in enumerate(made, start=1):
        row = make_row(prediction, None)
        folder = hour_folder(tmp_path, prediction.family, prediction.at)
        write_batch(folder, tmp_path, "20261129T095930-0123abcd", number, make_table([row]))
    assert find_request(tmp_path, FAMILIES, ids[0]) == know_request(made[1])
    assert [find_request(tmp_path, FAMILIES, one) for one in [*ids[1:], "x" * 32]] == [None] * 4
    (folder / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(ServiceUnavailableError, match="cut.parquet"):
        find_request(tmp_path, FAMILIES, ids[3])
    assert find_request(tmp_path, FAMILIES, ids[0]) is not None


def test_a_request_that_asked_several_families_is_found_by_what_the_label_is_of() -> None:
    made = [know(request_id="a" * 32, family=family) for family in FAMILIES]
    recent = RecentRequests(10)
    for family in FAMILIES:
        recent.add(make_prediction(1, request_id="a" * 32, family=family))
    labels: list[dict[str, Any]] = [{"text": "ja"}, {"emotion": "calm"}, {"traits": {}}]
    for one, label in zip(made, labels, strict=True):
        meant, others = order_families(FAMILIES, label)
        assert meant == [one.family]
        assert sorted([*meant, *others]) == sorted(FAMILIES)
        found = recent.find("a" * 32, meant)
        assert found is not None
        assert found.family == one.family
    recent.forget([("a" * 32, "emotion")])
    assert recent.find("a" * 32, ["emotion"]) is None
    assert recent.find("a" * 32, ["emotion", "asr"]) is not None
    assert order_families(FAMILIES, {"sorrow": 1}) == ([], [*FAMILIES])


def test_labels_are_held_against_the_answer() -> None:
    emotion, asr = know(), know(family="asr", answer={"text": "ja", "confidence": 0.5})
    traits = know(family="personality", answer={"traits": {"openness": 4.0}})
    binary = know(family="personality", answer={"traits": {"openness": 0.4}, "present": {"openness": False}})
    assert check_label(emotion, {"emotion": "neutral"}) == {"emotion": "neutral"}
    assert check_label(asr, {"text": "nein"}) == {"text": "nein"}
    assert check_label(asr, {"text": ""}) == {"text": ""}
    assert check_label(traits, TRAITS) == TRAITS
    wrong: list[tuple[KnownRequest, dict[str, Any]]] = [
        (emotion, {"emotion": "joy"}),
        (emotion, {"emotion": 5}),
        (emotion, {"text": "ja"}),
        (emotion, {}),
        (emotion, {"emotion": "anger", "text": "ja"}),
        (asr, {"text": None}),
        (asr, {"text": "a\0b"}),
        (asr, {"text": "x" * 20_001}),
        (traits, {"traits": {}}),
        (traits, {"traits": {"charm": 1.0}}),
        (traits, {"traits": {"openness": float("nan")}}),
        (traits, {"traits": {"openness": True}}),
        (traits, {"traits": {"openness": 10**400}}),
        (binary, TRAITS),
    ]
    for known, label in wrong:
        with pytest.raises(InputError):
            check_label(known, label)


def test_a_second_label_corrects_the_first_and_both_are_kept(tmp_path: Path) -> None:
    known = know()

    def say(emotion: str, key: str) -> tuple[Feedback, bool]:
        return record_feedback(tmp_path, known, {"emotion": emotion}, tenant="t", key_id=key, at=AT)

    first, again, second, back = say("anger", "a"), say("anger", "a"), say("anger", "b"), say("neutral", "a")
    assert [(one.number, is_new) for one, is_new in (first, again, second, back)] == [
        (1, True),
        (1, False),
        (2, True),
        (3, True),
    ]
    kept = list(read_quarantine(tmp_path, "emotion"))
    assert [one for _, one in kept] == [first[0], second[0], back[0]]
    assert {stat.S_IMODE(path.stat().st_mode) for path, _ in kept} == {0o600}
    kept[1][0].write_text("{")
    assert [one is None for _, one in read_quarantine(tmp_path, "emotion")] == [False, True, False]
    assert say("anger", "b")[0].number == 4


def test_of_many_labels_at_once_none_is_lost(tmp_path: Path) -> None:
    known = know()
    threads = [
        threading.Thread(
            target=record_feedback,
            args=(tmp_path, known, {"emotion": "anger"}),
            kwargs={"tenant": "t", "key_id": str(n), "at": AT},
        )
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.number for _, one in read_quarantine(tmp_path, "emotion") if one) == list(range(1, 13))
