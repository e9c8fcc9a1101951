"""Loss measured in production: an interval where enough honest labels are, and no number anywhere else."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import astuple, replace
from itertools import cycle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.monitoring.labelled import (
    AT_PROMOTION,
    IN_WORDS,
    KEYS,
    LABELS,
    POLICY,
    SPELLING,
    Row,
    join,
    load_poison,
    make_label,
    make_row,
    make_world,
    measure,
)
from voxloop.monitoring.feedback import Feedback
from voxloop.monitoring.labelled_answers import CONTRADICTED, choose_writer
from voxloop.monitoring.measured_loss import Bounds, find_contradicted, measure_loss, subtract

World = tuple[list[Feedback], list[Row]]
POISON = load_poison()
letters = st.sampled_from(LABELS)


def test_a_loss_has_the_interval_of_both_errors() -> None:
    given, rows = make_world(error=0.4)
    found = measure(given, rows)
    assert found.why_not == ()
    assert found.loss is not None
    assert found.now is not None
    assert found.then is not None
    assert astuple(found.then) == pytest.approx((0.2, 0.16, 0.25))
    said = [json.loads(row["answer"])["emotion"] for row in rows]
    wrong = np.mean([one.label["emotion"] != answered for one, answered in zip(given, said, strict=True)])
    assert found.now.estimate == pytest.approx(wrong), "each label is said equally often"
    assert found.loss.estimate == pytest.approx(wrong - 0.2)
    assert found.now.low - 0.25 < found.loss.low < found.loss.estimate
    assert 0.05 < found.loss.low < 0.2
    assert (found.answers, found.speakers, found.keys) == (240, 20, 3)
    assert "no random sample" in str(found)
    assert "240 answers with a label, 20 speakers, 3 keys" in str(found)


def test_what_is_as_good_as_ever_has_no_loss_for_sure() -> None:
    found = measure(*make_world(error=0.2))
    assert found.loss is not None
    assert found.loss.low < 0 < found.loss.high


def test_the_interval_of_a_difference_is_recovered_from_both() -> None:
    apart = subtract(Bounds(0.5, 0.4, 0.7), Bounds(0.2, 0.15, 0.3))
    assert astuple(apart) == pytest.approx((0.3, 0.3 - math.hypot(0.1, 0.1), 0.3 + math.hypot(0.2, 0.05)))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 50), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_labels_never_matters(seed: int, order: random.Random) -> None:
    given, rows = make_world(seed, speakers=9, each=16)
    assert measure(order.sample(given, len(given)), order.sample(rows, len(rows))) == measure(given, rows)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_label_that_is_there_twice_counts_once(data: st.DataObject) -> None:
    given, rows = make_world(speakers=9, each=16)
    again = data.draw(st.lists(st.sampled_from(given), max_size=40))
    of_another_key = [replace(one, key_id=KEYS[0], number=2) for one in again if one.key_id != KEYS[0]]
    twice = data.draw(st.lists(st.sampled_from(rows), max_size=40))
    assert measure([*given, *again, *of_another_key], [*rows, *twice]) == measure(given, rows)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(0, 143), min_size=1, max_size=7))
def test_an_answer_whose_labels_contradict_each_other_counts_for_nothing(chosen: set[int]) -> None:
    given, rows = make_world(speakers=9, each=16)
    doubted = [
        replace(one, key_id="f" * 16, number=2, label={"emotion": _another(one)})
        for place, one in enumerate(given)
        if place in chosen
    ]
    with_doubts = measure([*given, *doubted], rows)
    without = measure([one for place, one in enumerate(given) if place not in chosen], rows)
    assert with_doubts.uncounted == {CONTRADICTED: len(chosen)}
    assert replace(with_doubts, uncounted={}) == without


def _another(one: Feedback) -> str:
    return next(label for label in LABELS if label != one.label["emotion"])


def _few_answers(world: World) -> World:
    return world[0][:99], world[1]


def _few_speakers(world: World) -> World:
    given, rows = world
    return given, [row | {"speaker": f"{place % 7:064x}"} for place, row in enumerate(rows)]


def _nobody_named(world: World) -> World:
    given, rows = world
    return given, [row | {"speaker": None, "speaker_key": None} for row in rows]


def _one_key(world: World) -> World:
    given, rows = world
    return [replace(one, key_id=KEYS[0]) if place % 20 else one for place, one in enumerate(given)], rows


def _one_label(world: World) -> World:
    given, rows = world
    said = ((place % 20 and "anger") or LABELS[place // 20 % 4] for place in range(len(given)))
    return [replace(one, label={"emotion": label}) for one, label in zip(given, said, strict=True)], rows


def _many_contradictions(world: World) -> World:
    given, rows = world
    doubted = [replace(one, key_id="f" * 16, label={"emotion": _another(one)}) for one in given[:20]]
    return [*given, *doubted], rows


def _nobody_says_fear(world: World) -> World:
    given, rows = world
    return [one for one in given if one.label["emotion"] != "fear"], rows


def _turned(world: World) -> World:
    """Every label is called by the name of the next one."""
    given, rows = world
    following = dict(zip(LABELS, (*LABELS[1:], LABELS[0]), strict=True))
    return [replace(one, label={"emotion": following[one.label["emotion"]]}) for one in given], rows


def _one_key_guesses(world: World) -> World:
    given, rows = world
    said = cycle(LABELS)
    return [
        replace(one, label={"emotion": LABELS[(LABELS.index(next(said)) + place // 7) % 4]})
        if one.key_id == KEYS[1]
        else one
        for place, one in enumerate(given)
    ], rows


def _one_key_hides_anger(world: World) -> World:
    given, rows = world
    return [
        replace(one, label={"emotion": "neutral"}) if (one.key_id, one.label["emotion"]) == (KEYS[1], "anger") else one
        for one in given
    ], rows


def _all_alike(world: World) -> World:
    """Each speaker is answered wrongly three times of four."""
    given, rows = world
    return given, [
        make_row(place, "anger" if place % 4 == 0 else _another(one), row["speaker"])
        for place, (one, row) in enumerate(zip(given, rows, strict=True))
    ]


@pytest.mark.parametrize(
    ("change", "why", "is_suspicious"),
    [
        (lambda _: ([], []), "0 answers with a label, of 100 at least", False),
        (lambda world: (world[0], []), "0 answers with a label, of 100 at least; 0 speakers", False),
        (_few_answers, "99 answers with a label, of 100 at least", False),
        (_few_speakers, "7 speakers whose answers have a label, of 8 at least", False),
        (_nobody_named, "1 speakers whose answers have a label", False),
        (_one_key, "labels are of one key, which nobody can contradict: 90% at most", False),
        (_one_label, "labels say the same: 90% at most", False),
        (_many_contradictions, "labels of 20 of 240 answers contradict each other, of 5% at most", False),
        (_nobody_says_fear, "fewer than two speakers have answers labelled fear", False),
        (_turned, "answers are worse than guessing", True),
        (_one_key_guesses, f"labels of key {KEYS[1]} contradict", True),
        (_one_key_hides_anger, f"labels of key {KEYS[1]} (neutral -> anger", True),
    ],
)
def test_labels_that_are_not_to_be_trusted_give_no_number(
    change: Callable[[World], World], why: str, is_suspicious: bool
) -> None:
    found = measure(*change(make_world(error=0.1)))
    assert (found.loss, found.now) == (None, None)
    assert why in str(found), found
    assert bool(found.suspicions) is is_suspicious
    assert set(found.suspicions) <= set(found.why_not)


def test_a_speaker_who_is_never_understood_is_no_fault_of_the_labels() -> None:
    given, rows = make_world(error=0.1)
    for place, one in enumerate(given[:12]):
        rows[place] = make_row(place, _another(one), rows[place]["speaker"])
    found = measure(given, rows)
    assert found.suspicions == ()
    assert found.loss is not None


def test_an_error_that_is_the_same_for_everybody_says_nothing_of_others() -> None:
    found = measure(*_all_alike(make_world()))
    assert found.loss is None
    assert "the same for every speaker" in str(found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 12), letters, st.sampled_from(KEYS), st.integers(1, 3)), max_size=30),
    st.lists(st.tuples(st.integers(0, 12), letters, st.none() | st.sampled_from("ab")), max_size=20),
    st.integers(2, 5),
)
def test_whatever_comes_a_number_is_finite_or_not_there_with_its_reasons(
    labels: list[tuple[int, str, str, int]], answers: list[tuple[int, str, str | None]], least: int
) -> None:
    given = [replace(make_label(place, label, key), number=number) for place, label, key, number in labels]
    rows = [make_row(place, label, speaker) for place, label, speaker in answers]
    found = measure([*given, None], rows, least_answers=least, least_speakers=2, most_of_one_key=0.99)
    assert (found.loss is None) is bool(found.why_not)
    for bounds in (found.loss, found.now, found.then):
        assert bounds is None or all(map(math.isfinite, (bounds.estimate, bounds.low, bounds.high)))
    assert found.answers <= len({place for place, *_ in labels} & {place for place, *_ in answers})


def test_words_are_spelled_as_the_champion_was_judged() -> None:
    given: list[Feedback] = []
    rows: list[Row] = []
    for place in range(120):
        text = f"Take the {('red', 'blue')[place % 2]} one, number {place}!"
        heard = f"take the {'red' if place % 3 else 'blue'} one number {place}"
        speaker, key = f"{place % 12:064x}", KEYS[place % 3]
        rows.append(make_row(place, "", speaker, answer=json.dumps({"text": heard, "confidence": 0.5})))
        given.append(make_label(place, "", key, family="asr", label={"text": text}))
    labelled = join(given, rows, "asr", SPELLING)
    assert labelled.answers[0].given == "take the red one number 0"
    found = measure_loss(labelled, IN_WORDS, "asr", POLICY, load_poison("asr"))
    assert found.now is not None
    assert found.now.estimate == pytest.approx(0.5 / 6), "one word of six in half of the answers"
    assert found.loss is not None
    assert found.loss.estimate == pytest.approx(0.5 / 6 - 0.2)
    backwards = [replace(one, label={"text": "of something else altogether"}) for one in given]
    wrong = measure_loss(join(backwards, rows, "asr", SPELLING), IN_WORDS, "asr", POLICY, load_poison("asr"))
    assert wrong.loss is None


def test_labels_of_words_have_nothing_to_do_with_an_answer_of_which_no_word_is_right() -> None:
    given = [make_label(place, "", KEYS[0], family="asr", label={"text": "one two"}) for place in range(3)]
    said = ("one two", "one three", "six seven")
    rows = [make_row(place, "", "s", answer=json.dumps({"text": text})) for place, text in enumerate(said)]
    answers = join(given, rows, "asr", SPELLING).answers
    assert find_contradicted(answers, is_words=True).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("task", "spelling", "why"),
    [
        ("personality", {}, "is of persons"),
        ("asr", {}, "which is not here"),
        ("asr", {**SPELLING, "normaliser_version": "0"}, "voxloop.data.text 0, which is not here"),
    ],
)
def test_what_cannot_be_compared_says_why(task: str, spelling: dict[str, str], why: str) -> None:
    said = choose_writer(task, spelling)
    assert isinstance(said, str)
    assert why in said


def test_a_measure_that_labels_do_not_tell_is_no_number() -> None:
    found = measure_loss(join(*make_world()), replace(AT_PROMOTION, measure="ece"), "emotion", POLICY, POISON)
    assert (found.loss, found.then) == (None, None)
    assert "judged by ece" in str(found)


def test_files_of_the_log_that_cannot_be_read_are_a_doubt() -> None:
    labelled = replace(join(*make_world()), unread=("x.parquet: cut",))
    found = measure_loss(labelled, AT_PROMOTION, "emotion", POLICY, POISON)
    assert found.loss is None
    assert "1 files of the prediction log cannot be read: x.parquet" in str(found)


def test_keys_of_honest_callers_are_seldom_suspected() -> None:
    found = [measure(*make_world(seed, error=0.3, spread=0.15)) for seed in range(40)]
    suspected = [one.suspicions for one in found if one.suspicions]
    assert len(suspected) <= 2, suspected
