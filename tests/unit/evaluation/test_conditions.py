"""What becomes of a row under a condition: a function of seed, condition and utterance, and of nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voxloop.config import build_config, find_config, load_config
from voxloop.errors import ConfigError
from voxloop.evaluation.behaviour import check_tests
from voxloop.evaluation.conditions import ChangesConfig, change_row, check_conditions
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.speech.golden import golden_waveform
from voxloop.tasks import get_task, task_names

SOUND = golden_waveform(0.3, 0)
ROW = {
    "utterance_id": "u1",
    "text": "one two three four five six seven eight nine ten",
    "features": {"a": 1.0, "b": None},
}


def config(**conditions: dict[str, Any]) -> ChangesConfig:
    return build_config(ChangesConfig, {"seed": 1, "utterances": 9, "conditions": conditions}, origin="by hand")


def changed(how: dict[str, Any], *, name: str = "c", utterance: str = "u1", seed: int = 1) -> tuple[Any, Any]:
    known = config(**{name: how}).conditions[name]
    return change_row({**ROW, "utterance_id": utterance}, SOUND, name, known, seed)


def test_chance_hangs_on_seed_condition_and_utterance_alone() -> None:
    how = {"kind": "noise", "snr_db": 10}
    again = [changed(how)[1] for _ in range(2)]
    assert np.array_equal(*again)
    others = [changed(how, utterance="u2")[1], changed(how, name="d")[1], changed(how, seed=2)[1]]
    assert all(not np.array_equal(again[0], other) for other in others)


def test_words_are_lost_and_added() -> None:
    row, sound = changed({"kind": "lost words", "share": 0.5})
    assert sound is SOUND
    kept = row["text"].split()
    assert 0 < len(kept) < 10
    assert kept == [word for word in ROW["text"].split() if word in kept]  # type: ignore[attr-defined]
    assert changed({"kind": "added words", "words": "and so on"})[0]["text"] == f"{ROW['text']} and so on"
    assert change_row(
        {**ROW, "text": None}, None, "c", config(c={"kind": "lost words", "share": 0.5}).conditions["c"], 1
    ) == (
        {**ROW, "text": None},
        None,
    )


def test_features_are_lost() -> None:
    many = {**ROW, "features": {f"f{place}": 1.0 for place in range(200)}}
    how = config(c={"kind": "lost features", "share": 0.2}).conditions["c"]
    row, _ = change_row(many, None, "c", how, 1)
    assert 20 < sum(value is None for value in row["features"].values()) < 60
    assert change_row({"utterance_id": "u", "text": None}, None, "c", how, 1)[0]["features"] == {}


def test_an_order_changes_nothing_but_who_is_asked_beside_whom() -> None:
    row, sound = changed({"kind": "order"})
    assert (row, sound is SOUND) == ({**ROW, "utterance_id": "u1"}, True)


@pytest.mark.parametrize(
    ("task", "how"),
    [("personality", {"kind": "telephone"}), ("asr", {"kind": "lost words", "share": 0.2})],
)
def test_a_condition_of_another_family_is_refused(task: str, how: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="'c' changes the"):
        check_conditions(config(c=how).conditions, get_task(task))


@pytest.mark.parametrize("task", task_names())
def test_the_shipped_conditions_and_tests_are_of_their_family(task: str) -> None:
    shipped = load_config(ScoringConfig, find_config("evaluation", task))
    assert shipped.changes is not None
    check_conditions(shipped.changes.conditions, get_task(task))
    check_tests(shipped.behaviour, get_task(task))


@pytest.mark.parametrize("task", task_names())
def test_a_shipped_policy_asks_of_what_is_evaluated(task: str) -> None:
    shipped = load_config(ScoringConfig, find_config("evaluation", task))
    policy = load_config(GatePolicy, find_config("gates", task))
    assert shipped.changes is not None
    assert policy.robustness is not None
    assert policy.behaviour is not None
    assert set(policy.robustness.conditions) <= set(shipped.changes.conditions)
    assert set(policy.behaviour.shares) <= set(shipped.behaviour)
    assert policy.robustness.minimum_utterances <= shipped.changes.utterances
    assert policy.behaviour.minimum_rows <= shipped.changes.utterances


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"t": {"kind": "invariance", "condition": "x", "of": "label"}}, "there is no condition 'x'"),
        ({"c": {"kind": "invariance", "condition": "c", "of": "label"}}, "a condition and of a test"),
    ],
)
def test_a_test_names_a_condition_that_there_is(behaviour: dict[str, Any], told: str) -> None:
    changes = {"seed": 1, "utterances": 9, "conditions": {"c": {"kind": "order"}}}
    known = {"batch": 1, "pool": 1, "threads": 1, "changes": changes, "behaviour": behaviour}
    with pytest.raises(ConfigError, match=told):
        build_config(ScoringConfig, known, origin="by hand")


def test_without_changes_there_is_nothing_to_test() -> None:
    test = {"kind": "minimum function", "requests": "golden", "seconds": [1.0], "asks": "whole"}
    with pytest.raises(ConfigError, match="there are no changes"):
        build_config(ScoringConfig, {"batch": 1, "pool": 1, "threads": 1, "behaviour": {"t": test}}, origin="by hand")


def test_a_test_of_another_family_is_refused() -> None:
    shipped = load_config(ScoringConfig, find_config("evaluation", "asr"))
    with pytest.raises(ConfigError, match="is about 'text'"):
        check_tests(shipped.behaviour, get_task("emotion"))
