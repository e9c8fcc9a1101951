"""An evaluation that asked anything else than it must decides nothing, and says which key differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.evaluation.cases import POLICY, load_shipped, make_answers, write_evaluation
from voxloop.config import find_config, load_config, resolved
from voxloop.evaluation.configuration_rules import RULE, find_differences
from voxloop.evaluation.gate import judge_evaluation, write_judgement
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.replay import replay
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.verdict import Verdict


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return an evaluation that passes, asked as models of emotion are."""
    return write_evaluation(tmp_path / "evaluation", make_answers())


def judge(folder: Path, asked: ScoringConfig | None) -> Judgement:
    return judge_evaluation(folder, POLICY, policy_name="by-hand", task="emotion", asked=asked)


def record(folder: Path, configuration: dict[str, Any] | None) -> None:
    """Have the report say that it was asked so; None takes the field out, as an older version wrote it."""
    path = folder / "evaluation.json"
    report = json.loads(path.read_text())
    report.pop("configuration")
    path.write_text(json.dumps(report | ({} if configuration is None else {"configuration": configuration})))


def change(*overrides: str) -> dict[str, Any]:
    return resolved(load_config(ScoringConfig, find_config("evaluation", "emotion"), overrides))


def reasons(found: Judgement) -> list[Reason]:
    return [one for one in found.reasons if one.rule == RULE]


def test_what_is_asked_for_passes(good: Path) -> None:
    found = judge(good, load_shipped("emotion"))
    assert found.verdict is Verdict.PASS
    assert [one.verdict for one in reasons(found)] == [Verdict.PASS]


@pytest.mark.parametrize(
    ("key", "value", "told", "asked"),
    [
        ("behaviour.same label 1 dB louder.tolerance", "1", "1.0", "0.0"),
        ("changes.conditions.white noise 10 dB.snr_db", "30", "30.0", "10.0"),
        ("changes.seed", "1", "1", "20261128"),
        ("changes.utterances", "36", "36", "240"),
        ("golden.silence_db", "[]", "[]", "[-80.0,-65.0]"),
        ("golden.seconds", "[0.5, 1.5]", "[0.5,1.5]", "[0.5,1.5,3.0,7.3]"),
        ("golden.rounds", "3", "3", "7"),
        ("batch", "1", "1", "16"),
        ("pool", "1", "1", "512"),
    ],
)
def test_an_easier_question_decides_nothing(good: Path, key: str, value: str, told: str, asked: str) -> None:
    record(good, change(f"{key}={value}"))
    found = judge(good, load_shipped("emotion"))
    (reason,) = reasons(found)
    assert (found.verdict, reason.verdict) == (Verdict.CANNOT_TELL, Verdict.CANNOT_TELL)
    assert (reason.measure, reason.value, reason.bound) == (key, told, asked)
    assert reason.text.startswith(f"{key} was {told}, asked for is {asked}; evaluate again")


def test_every_key_that_differs_is_named(good: Path) -> None:
    record(good, change("changes.seed=1", "golden.rounds=3"))
    assert [one.measure for one in reasons(judge(good, load_shipped("emotion")))] == ["changes.seed", "golden.rounds"]


def test_a_worse_model_is_not_refused_by_other_questions(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "evaluation", make_answers(challenger=0.3, champion=0.97))
    assert judge(folder, load_shipped("emotion")).verdict is Verdict.FAIL
    record(folder, change("changes.seed=1"))
    found = judge(folder, load_shipped("emotion"))
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.interval is not None, "its answers are sound, and can be shown"


def test_a_machine_chooses_its_threads(good: Path) -> None:
    record(good, change("threads=7"))
    assert judge(good, load_shipped("emotion")).verdict is Verdict.PASS


def test_a_report_that_does_not_say_cannot_tell(good: Path) -> None:
    record(good, None)
    found = judge(good, load_shipped("emotion"))
    (reason,) = reasons(found)
    assert found.verdict is Verdict.CANNOT_TELL
    assert "does not say how the models were asked; evaluate again" in reason.text


@pytest.mark.parametrize("told", [None, {"changes": {"seed": 1}}])
def test_the_past_had_its_own_configuration(good: Path, tmp_path: Path, told: dict[str, Any] | None) -> None:
    write_judgement(judge(good, load_shipped("emotion")), tmp_path)
    record(good, told)
    assert judge(good, None).verdict is Verdict.PASS
    again = replay("emotion v1", good, tmp_path, POLICY, policy_name="by-hand", task="emotion")
    assert again.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("found", "asked", "differing"),
    [
        ({}, {}, []),
        ({"threads": 1}, {"threads": 2}, []),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, [("a.b.c", "1", "2")]),
        ({"a": {}}, {"a": {"b": {"kind": "order"}}}, [("a.b", "nothing", '{"kind":"order"}')]),
        ({"a": {"b": None}}, {"a": {}}, [("a.b", "null", "nothing")]),
        ({"a": None}, {"a": {"b": 1}}, [("a", "null", '{"b":1}')]),
        ({"a": 1}, {"a": True}, [("a", "1", "true")]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a", "[1,2]", "[2,1]")]),
        ({"a": "x" * 500}, {}, [("a", f'"{"x" * 118}…', "nothing")]),
    ],
)
def test_differences(found: dict[str, Any], asked: dict[str, Any], differing: list[tuple[str, str, str]]) -> None:
    assert list(find_differences(found, asked)) == differing
