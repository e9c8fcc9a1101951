"""Tests of behaviour: of which rows they hold, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from tests.unit.evaluation.cases import LABELS, changed_policy, judge, make_answers, write_evaluation
from tests.unit.evaluation.changed_cases import BEHAVED, make_changed, write_changed_rows
from tests.unit.evaluation.family_cases import ASR, PERSONALITY
from voxloop.data.schema import TRAITS
from voxloop.evaluation.answers import Answers
from voxloop.evaluation.behaviour import CLEAN, BehaviourTest, answers_that_hold, conditions_of, rows_that_hold
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.policy import GatePolicy
from voxloop.tasks import Answer, emotion, get_task
from voxloop.verdict import Verdict

ANY: TypeAdapter[BehaviourTest] = TypeAdapter(BehaviourTest)
EMOTION = emotion.EmotionEncoding(labels=LABELS, weights=(1.0,) * len(LABELS))
POLICY = changed_policy(behaviour=BEHAVED)


def answers(said: Sequence[Answer], references: Sequence[Answer] = ()) -> Answers:
    names = np.array([f"u{place}" for place in range(len(said))])
    return Answers(names, names, tuple(references or said), tuple(said), {})


def hold(
    how: dict[str, Any], encoding: Any, references: Sequence[Answer] = (), **under: Sequence[Answer]
) -> list[bool]:
    test = ANY.validate_python(how)
    assert test.kind != "minimum function"
    held = rows_that_hold(test, {name: answers(one, references) for name, one in under.items()}, encoding)
    return [bool(one) for one in held]


def sure(label: str, share: float) -> Answer:
    rest = (1 - share) / (len(LABELS) - 1)
    return {"emotion": label, "probabilities": {name: share if name == label else rest for name in LABELS}}


def texts(*said: str) -> list[Answer]:
    return [{"text": one} for one in said]


def traits(**moved: float) -> Answer:
    return {"traits": {name: 4.0 + moved.get(name, 0.0) for name in TRAITS}}


class TestRows:
    @pytest.mark.parametrize(
        ("of", "expected"), [("label", [True, False, True]), ("probability", [True, False, False])]
    )
    def test_a_label_or_its_probability_stays(self, of: str, expected: list[bool]) -> None:
        how = {"kind": "invariance", "condition": "c", "of": of, "tolerance": 0.05 if of == "probability" else 0}
        before = [sure("anger", 0.9), sure("anger", 0.9), sure("fear", 0.9)]
        behind = [sure("anger", 0.88), sure("fear", 0.9), sure("fear", 0.5)]
        assert hold(how, EMOTION, clean=before, c=behind) == expected

    def test_a_text_stays_but_for_a_share_of_its_words(self) -> None:
        how = {"kind": "invariance", "condition": "c", "of": "text", "tolerance": 0.34}
        before = texts("one two three", "one two three", "one two three", "", "")
        behind = texts("one two three", "one too three", "one", "", "one")
        assert hold(how, ASR, clean=before, c=behind) == [True, True, False, True, False]

    def test_traits_stay_within_a_share_of_the_range(self) -> None:
        how = {"kind": "invariance", "condition": "c", "of": "trait", "tolerance": 0.1}
        behind = [traits(), traits(openness=0.59), traits(openness=0.61)]
        assert hold(how, PERSONALITY, clean=[traits()] * 3, c=behind) == [True, True, False]

    @pytest.mark.parametrize(("goes", "expected"), [("up", [True, False, True]), ("down", [False, True, True])])
    def test_a_number_moves_one_way_or_not_at_all(self, goes: str, expected: list[bool]) -> None:
        how = {"kind": "direction", "condition": "c", "of": "neuroticism", "goes": goes}
        behind = [traits(neuroticism=0.3), traits(neuroticism=-0.3), traits(openness=1.0)]
        assert hold(how, PERSONALITY, clean=[traits()] * 3, c=behind) == expected

    def test_confidence_may_go_the_other_way_by_the_slack(self) -> None:
        how = {"kind": "direction", "condition": "c", "of": "confidence", "goes": "down", "slack": 0.1}
        behind = [sure("fear", 0.5), sure("anger", 0.65), sure("anger", 0.75)]
        assert hold(how, EMOTION, clean=[sure("anger", 0.6)] * 3, c=behind) == [True, True, False]

    def test_errors_beside_another_condition(self) -> None:
        how = {"kind": "direction", "condition": "loud", "beside": "quiet", "of": "errors", "goes": "up"}
        said = texts("one two", "one two")
        found = hold(how, ASR, said, clean=said, quiet=texts("one", "one"), loud=texts("", "one two"))
        assert found == [True, False]

    def test_what_conditions_are_needed(self) -> None:
        how = {"kind": "direction", "condition": "a", "beside": "b", "of": "confidence", "goes": "up"}
        assert conditions_of(ANY.validate_python(how)) == ["a", "b"]
        assert conditions_of(ANY.validate_python({**how, "beside": CLEAN})) == ["a"]

    def test_a_missing_answer_is_no_row_that_holds(self) -> None:
        test = ANY.validate_python({"kind": "invariance", "condition": "c", "of": "label"})
        assert test.kind == "invariance"
        broken = answers([sure("anger", 0.9)])
        broken = Answers(broken.utterance_ids, broken.speaker_ids, broken.references, (None,), {})
        with pytest.raises(ValueError, match="1 rows have no answer"):
            rows_that_hold(test, {CLEAN: answers([sure("anger", 0.9)]), "c": broken}, EMOTION)


class TestMinimumFunction:
    @pytest.mark.parametrize(
        ("task", "encoding", "answer", "holds"),
        [
            ("emotion", EMOTION, sure("anger", 0.9), True),
            ("emotion", EMOTION, {**sure("anger", 0.9), "emotion": "fear"}, False),
            ("emotion", EMOTION, {"emotion": "anger", "probabilities": {"anger": 1.0}}, False),
            ("emotion", EMOTION, {"emotion": "anger", "probabilities": dict.fromkeys(LABELS, 0.5)}, False),
            ("asr", ASR, {"text": ""}, True),
            ("asr", ASR, {"text": 3}, False),
            ("personality", PERSONALITY, traits(), True),
            ("personality", PERSONALITY, {"traits": {"openness": 4.0}}, False),
        ],
    )
    def test_a_whole_answer(self, task: str, encoding: Any, answer: Answer, holds: bool) -> None:
        test = ANY.validate_python({"kind": "minimum function", "requests": "golden", "seconds": [1], "asks": "whole"})
        assert test.kind == "minimum function"
        assert answers_that_hold(test, [answer, None], get_task(task), encoding).tolist() == [holds, False]

    def test_silence_has_no_words(self) -> None:
        how = {"kind": "minimum function", "requests": "silence", "seconds": [1], "asks": "no words"}
        test = ANY.validate_python(how)
        assert test.kind == "minimum function"
        found = answers_that_hold(test, [*texts("", " ", "you"), None], get_task("asr"), ASR)
        assert found.tolist() == [True, True, False, False]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_evaluation(tmp_path / "evaluation", make_answers())


def reasons(found: Judgement) -> dict[str, Reason]:
    return {one.slice: one for one in found.reasons if one.rule == "behaviour"}


class TestJudging:
    def test_enough_rows_pass(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good, louder=0.95))
        found = judge(good, POLICY)
        assert found.verdict is Verdict.PASS
        said = reasons(found)["test=same label louder"]
        assert said.value == pytest.approx(0.95, abs=0.03)
        assert (said.bound, said.utterances, said.speakers) == (0.9, 200, 10)

    def test_too_few_rows_fail(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good, louder=0.8))
        assert reasons(judge(good, POLICY))["test=same label louder"].verdict is Verdict.FAIL
        assert judge(good, POLICY).verdict is Verdict.FAIL

    def test_a_made_up_request_that_is_not_answered_fails(self, good: Path) -> None:
        rows = make_changed(good)
        place = next(index for index, row in enumerate(rows) if row["asked"] == "answered")
        rows[place] = {**rows[place], "answer": None}
        write_changed_rows(good, rows)
        assert reasons(judge(good, POLICY))["test=answered"].verdict is Verdict.FAIL

    def test_fewer_rows_than_the_policy_asks_for_cannot_tell(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good))
        strict = changed_policy(behaviour={**BEHAVED, "minimum_rows": 201})
        found = judge(good, strict)
        assert found.verdict is Verdict.CANNOT_TELL
        assert "it was tried on 200 rows, the policy asks for 201" in reasons(found)["test=same label louder"].text

    def test_a_test_that_was_not_tried_cannot_tell(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good))
        other = changed_policy(behaviour={"shares": {"same label in fog": 0.9}})
        assert judge(good, other).verdict is Verdict.CANNOT_TELL

    def test_without_changed_rows_it_cannot_tell_unless_nothing_is_asked(self, good: Path) -> None:
        assert judge(good, POLICY).verdict is Verdict.CANNOT_TELL
        assert judge(good).verdict is Verdict.PASS


@pytest.mark.parametrize("behaviour", [{"shares": {}}, {"shares": {"a": 0.0}}, {"shares": {"a": 1.1}}, {"tests": {}}])
def test_rules_that_make_no_sense_are_refused(behaviour: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GatePolicy.model_validate({**POLICY.model_dump(), "behaviour": behaviour})
