"""From a prediction log and labels on the disk to a corpus: what is in it, what is left out, and why."""

from __future__ import annotations

import csv
import json
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.monitoring.callers import (
    EACH,
    SOUND,
    Row,
    collect,
    give_label,
    guess,
    label_all,
    make_answer,
    make_answers,
    no_sync,
    write_log,
)
from tests.unit.monitoring.labelled import AT, KEYS, LABELS, POLICY, load_poison, make_label, make_world
from voxloop.errors import InputError, RefusedError
from voxloop.monitoring.accepted_labels import HELD, UNTOLD, accept_labels
from voxloop.monitoring.collection import NO_LABEL, NO_WORDS
from voxloop.monitoring.feedback import name_person
from voxloop.monitoring.kept_answers import (
    AGAIN,
    ERASED,
    FAILED,
    NO_CONSENT,
    NO_SOUND,
    NO_SPEAKER,
    SHADOW,
    STRANGE,
)
from voxloop.monitoring.labelled_answers import CONTRADICTED, OLD_PSEUDONYM, TWICE, UNFIT
from voxloop.store.digests import list_files

__all__ = ["no_sync"]  # a fixture of that file
ANNA = name_person("anna")
PAST = 8  # of speaker 0, labelled by the first key


def read_table(out: Path) -> list[dict[str, str]]:
    with (out / "utterances.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_corpus_has_each_answer_with_its_label_and_its_bytes_are_the_same_again(tmp_path: Path) -> None:
    answers = make_answers()
    write_log(tmp_path / "predictions", [row for row, _ in answers])
    label_all(tmp_path / "feedback", answers)
    waiting = list_files(tmp_path / "feedback")
    found = collect(tmp_path, tmp_path / "out")
    assert (found.taken, found.speakers, found.left_out, found.held) == (144, 12, {}, {})
    table = read_table(tmp_path / "out")
    assert [(one["request_id"], one["emotion"], one["speaker"]) for one in table] == [
        (row["request_id"], truth, row["speaker"]) for row, truth in answers
    ]
    first = table[0]
    assert (first["at"], first["model"]) == ("2026-11-28T12:00:00+00:00", "e" * 64)
    assert (first["confidence"], first["labelled_by"], first["label_number"]) == ("0.7", KEYS[0], "1")
    assert (first["text"], first["openness"], first["speaker_key"]) == ("", "", "v1")
    assert (tmp_path / "out" / "audio" / f"{first['request_id']}.flac").read_bytes() == SOUND
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    assert list_files(tmp_path / "feedback") == waiting, "none is taken out of quarantine"
    collect(tmp_path, tmp_path / "again")
    assert list_files(tmp_path / "again") == list_files(tmp_path / "out")
    with pytest.raises(InputError, match="already holds something"):
        collect(tmp_path, tmp_path / "out")


Change = Callable[[list[Row], int, Path], None]


def lose(name: str, value: Any) -> Change:
    """Give a row of the log another value; its label was given before."""

    def change(rows: list[Row], place: int, _: Path) -> None:
        rows[place] |= {name: value}

    return change


def add(**changes: Any) -> Change:
    return lambda rows, place, _: rows.append(rows[place] | changes)


def label_again(key: str, label: str) -> Change:
    return lambda rows, place, feedback: give_label(feedback, rows[place], {"emotion": label}, key)


def spoil_label(content: Callable[[dict[str, Any]], str]) -> Change:
    def change(rows: list[Row], place: int, feedback: Path) -> None:
        (path,) = feedback.rglob(f"{rows[place]['request_id']}-*.json")
        path.write_text(content(json.loads(path.read_text())))

    return change


CHANGES: tuple[tuple[Change, dict[str, int]], ...] = (
    (lose("consent", False), {NO_CONSENT: 1}),
    (lose("speaker", None), {NO_SPEAKER: 1}),
    (lose("speaker_key", "v0"), {OLD_PSEUDONYM: 1}),
    (lose("audio", None), {NO_SOUND: 1}),
    (lose("status", 503), {FAILED: 1}),
    (lose("is_shadow", True), {SHADOW: 1}),
    (add(is_shadow=True, model_digest="5" * 64, audio=None), {SHADOW: 1}),
    (add(), {AGAIN: 1}),
    (add(speaker=f"{9:064x}"), {TWICE: 2}),
    (add(request_id="../../etc"), {STRANGE: 1}),
    (add(request_id="f" * 32), {NO_LABEL: 1}),
    (label_again(KEYS[0], "fear"), {}),
    (label_again(KEYS[1], "fear"), {CONTRADICTED: 1}),
    (label_again(KEYS[1], LABELS[0]), {}),
    (spoil_label(lambda _: "{"), {NO_LABEL: 1}),
    (spoil_label(lambda one: json.dumps(one | {"label": {"emotion": "calm"}})), {UNFIT: 1}),
    (spoil_label(lambda one: json.dumps(one | {"label": {"text": "yes"}})), {UNFIT: 1}),
    (spoil_label(lambda one: json.dumps(one | {"label": ["anger"]})), {UNFIT: 1}),
)


def test_what_is_left_out_is_counted_and_all_rows_are_somewhere(tmp_path: Path) -> None:
    answers = make_answers(speakers=27)
    label_all(tmp_path / "feedback", answers)
    rows, expected = [row for row, _ in answers], Counter[str]()
    for number, (change, left_out) in enumerate(CHANGES):
        place = number // 2 * 3 * EACH + 4 * (number % 2)  # a speaker of the first key; two rows that should be anger
        assert answers[place][1] == LABELS[0]
        change(rows, place, tmp_path / "feedback")
        expected.update(left_out)
    write_log(tmp_path / "predictions", rows)
    found = collect(tmp_path, tmp_path / "out")
    assert (found.left_out, found.unreadable) == (dict(expected), 1)
    assert found.taken + sum(found.left_out.values()) == len(rows)
    assert len(list((tmp_path / "out" / "audio").iterdir())) == found.taken
    assert json.loads((tmp_path / "out" / "collection.json").read_text())["left_out"] == dict(sorted(expected.items()))


def test_the_newest_label_of_a_key_is_the_one_that_is_learnt(tmp_path: Path) -> None:
    answers = make_answers()
    label_all(tmp_path / "feedback", answers)
    give_label(tmp_path / "feedback", answers[PAST][0], {"emotion": "fear"}, KEYS[0])
    write_log(tmp_path / "predictions", [row for row, _ in answers])
    collect(tmp_path, tmp_path / "out")
    row = read_table(tmp_path / "out")[PAST]
    assert (row["emotion"], row["label_number"]) == ("fear", "2")


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_labels_and_answers_may_come_in_any_order(random: Random) -> None:
    given_, rows = make_world(speakers=12, each=10, error=0.2)
    given_ += [make_label(number, "fear", ANNA) for number in range(8)]
    given_ += [replace(make_label(number, "anger", KEYS[number % 3]), number=2) for number in range(20, 24)]
    rows = [row | {"at": AT, "tenant": "t", "family": "emotion"} for row in rows]
    first = accept_labels(given_, rows, "emotion", POLICY, load_poison())
    assert (len(first.labels) > 100, len(first.refused) > 0) == (True, True)
    random.shuffle(given_)
    random.shuffle(rows)
    assert accept_labels(given_, rows, "emotion", POLICY, load_poison()) == first


def test_nobody_who_was_erased_comes_back(tmp_path: Path) -> None:
    answers = make_answers()
    write_log(tmp_path / "predictions", [row for row, _ in answers])
    label_all(tmp_path / "feedback", answers)
    found = collect(tmp_path, tmp_path / "out", erased=frozenset({f"{3:064x}"}))
    assert (found.left_out, found.speakers) == ({ERASED: EACH}, 11)
    assert f"{3:064x}" not in (tmp_path / "out" / "utterances.csv").read_text()


def test_a_key_that_guesses_is_held_and_the_others_are_not(tmp_path: Path) -> None:
    answers, draw = make_answers(wrong_of_six=1, speakers=30), np.random.default_rng(5)
    write_log(tmp_path / "predictions", [row for row, _ in answers])
    label_all(tmp_path / "feedback", answers, lambda key, truth, _: guess(draw) if key == KEYS[2] else truth)
    waiting = list_files(tmp_path / "feedback")
    found = collect(tmp_path, tmp_path / "out")
    assert list(found.held) == [KEYS[2]]
    assert "contradict" in found.held[KEYS[2]]
    assert found.left_out == {HELD: 120}
    assert {row["labelled_by"] for row in read_table(tmp_path / "out")} == {*KEYS[:2]}
    assert list_files(tmp_path / "feedback") == waiting


def test_of_keys_nobody_can_contradict_nothing_is_taken_but_a_person_answers_for_the_labels(tmp_path: Path) -> None:
    answers = make_answers()
    write_log(tmp_path / "predictions", [row for row, _ in answers])
    for row, truth in answers[:130]:
        give_label(tmp_path / "feedback", row, {"emotion": truth}, KEYS[0])
    with pytest.raises(RefusedError, match=r"nothing is collected of emotion: .*130 .*can be told.*of one key"):
        collect(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for row, truth in answers[130:]:
        give_label(tmp_path / "feedback", row, {"emotion": truth}, ANNA)
    found = collect(tmp_path, tmp_path / "out")
    assert (found.taken, found.left_out) == (14, {UNTOLD: 130})
    assert {row["labelled_by"] for row in read_table(tmp_path / "out")} == {ANNA}


def test_people_who_are_given_what_is_uncertain_are_not_held_against_callers(tmp_path: Path) -> None:
    answers = make_answers(wrong_of_six=1, speakers=30)
    rows = [row for row, _ in answers]
    write_log(tmp_path / "predictions", rows)
    label_all(tmp_path / "feedback", answers[:240])
    for number, (row, _) in enumerate(answers[240:]):  # nearly all are wrong, as they were chosen to be
        right = json.loads(row["answer"])["emotion"] if number % 6 == 0 else LABELS[(number + 2) % 4]
        give_label(tmp_path / "feedback", row, {"emotion": right}, ANNA)
    found = collect(tmp_path, tmp_path / "out")
    assert (found.taken, found.held, found.left_out) == (360, {}, {})


def test_a_file_of_the_log_that_cannot_be_read_holds_the_callers_keys(tmp_path: Path) -> None:
    answers = make_answers()
    path = write_log(tmp_path / "predictions", [row for row, _ in answers])
    label_all(tmp_path / "feedback", answers)
    path.with_name("cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(RefusedError, match="files of the prediction log cannot be read"):
        collect(tmp_path, tmp_path / "out")


def test_words_are_kept_as_they_were_given(tmp_path: Path) -> None:
    rows = [
        make_answer(number, "fear", number % 9, family="asr", label=None, answer=json.dumps({"text": "good day"}))
        for number in range(120)
    ]
    write_log(tmp_path / "predictions", rows)
    for number, row in enumerate(rows):
        text = {0: "", 1: 'Good day, said "she".\nYes'}.get(number, "good day" if number % 4 else f"good {number}")
        give_label(tmp_path / "feedback", row, {"text": text}, KEYS[number % 3])
    found = collect(tmp_path, tmp_path / "out", family="asr")
    assert (found.taken, found.left_out) == (119, {NO_WORDS: 1})
    assert read_table(tmp_path / "out")[0]["text"] == 'Good day, said "she".\nYes'


def test_traits_are_taken_of_people_alone(tmp_path: Path) -> None:
    answer = json.dumps({"traits": {"openness": 0.5}, "present": {"openness": True}})
    rows = [make_answer(n, "fear", n, family="personality", label=None, answer=answer) for n in range(4)]
    write_log(tmp_path / "predictions", rows)
    for row, key in zip(rows, (KEYS[0], ANNA, ANNA, KEYS[1]), strict=True):
        give_label(tmp_path / "feedback", row, {"traits": {"openness": 1.0}}, key)
    found = collect(tmp_path, tmp_path / "out", family="personality")
    assert (found.taken, found.left_out) == (2, {UNTOLD: 2})
    assert [row["openness"] for row in read_table(tmp_path / "out")] == ["1.0", "1.0"]
