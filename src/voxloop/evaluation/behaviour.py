"""Tests of behaviour: what must hold of answers whatever the measures say.

M. T. Ribeiro, T. Wu, C. Guestrin, S. Singh, "Beyond accuracy: behavioral testing of NLP models with CheckList", ACL
2020: invariance (a change that means nothing changes nothing), direction (a change that means something changes the
answer that way, or not the other way), minimum function (small requests that must not go wrong). A test says of each
row whether it holds; what share must is the policy's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.data.schema import TRAITS
from voxloop.errors import ConfigError
from voxloop.evaluation.answers import Answers
from voxloop.evaluation.measures import label_of
from voxloop.evaluation.samples import count_errors, trait_table
from voxloop.tasks import Answer, Task

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

CLEAN = "clean"
"""The rows as they are, as a test names them."""
ROUNDING = 1e-4
"""How far the probabilities of a whole answer may be from a sum of 1: float32 rounds."""


class Invariance(StrictModel):
    """Under a condition the answer stays what it is.

    Args:
        condition: One of the evaluation's.
        of: What is compared: `label` (0 or 1), the largest change of a `probability`, word errors of the one `text`
            against the other over its words, the largest change of a `trait` over the questionnaire's range.
        tolerance: The most it may come to.
    """

    kind: Literal["invariance"]
    condition: str
    of: Literal["label", "probability", "text", "trait"]
    tolerance: float = Field(default=0.0, ge=0.0)


class Direction(StrictModel):
    """Under a condition a number moves one way, or at least not the other.

    Args:
        condition: One of the evaluation's.
        beside: The condition it is held against; the rows as they are when left out.
        of: `confidence` of the label, `errors` in words over the words of the reference, or the name of a trait.
        goes: Which way.
        slack: How far it may go the other way.
    """

    kind: Literal["direction"]
    condition: str
    beside: str = CLEAN
    of: str
    goes: Literal["up", "down"]
    slack: float = Field(default=0.0, ge=0.0)


class MinimumFunction(StrictModel):
    """Made-up requests that must be answered.

    Args:
        requests: Digital `silence`, or the family's `golden` requests, loud and clear.
        seconds: Length of each.
        asks: `no words`, or a `whole` answer: every label, symbol or trait, numbers that are finite.
    """

    kind: Literal["minimum function"]
    requests: Literal["silence", "golden"]
    seconds: tuple[float, ...] = Field(min_length=1)
    asks: Literal["no words", "whole"]


BehaviourTest = Annotated[Invariance | Direction | MinimumFunction, Field(discriminator="kind")]


def conditions_of(test: BehaviourTest) -> list[str]:
    """Return the conditions that a test needs, the rows as they are not counted."""
    if isinstance(test, MinimumFunction):
        return []
    asked = [test.condition, *([test.beside] if isinstance(test, Direction) else [])]
    return [name for name in asked if name != CLEAN]


def check_tests(tests: Mapping[str, BehaviourTest], task: Task) -> None:
    """Raise `ConfigError` where a test compares what the family's answers do not have."""
    known = _FAMILIES[task.NAME]
    for name, test in tests.items():
        asked = test.asks if isinstance(test, MinimumFunction) else test.of
        if asked not in known:
            raise ConfigError(
                f"behaviour {name!r} is about {asked!r}",
                rule=f"answers of {task.NAME} have {', '.join(known)}",
                remedy="name one of these in configs/evaluation, or take the test out",
            )


def rows_that_hold(test: Invariance | Direction, under: Mapping[str, Answers], encoding: Any) -> Bools:
    """Return of which rows a test holds, bool [n].

    Args:
        test: Which.
        under: Answers of one model to the same rows, by condition, and as they are by `CLEAN`; all given.
        encoding: Of the family.

    Raises:
        KeyError: The family's answers have nothing of what is compared.
    """
    if isinstance(test, Invariance):
        distances = _DISTANCES[test.of](under[CLEAN], under[test.condition], encoding)
        return np.asarray(distances <= test.tolerance, dtype=np.bool_)
    before, behind = (_measure_rows(test.of, under[name], encoding) for name in (test.beside, test.condition))
    moved = behind - before if test.goes == "up" else before - behind
    return np.asarray(moved >= -test.slack, dtype=np.bool_)


def answers_that_hold(test: MinimumFunction, answers: Sequence[Answer | None], task: Task, encoding: Any) -> Bools:
    """Return which made-up requests got the answer they must get, bool [n]; None is no answer."""
    if test.asks == "no words":
        return np.array([one is not None and not str(one["text"]).split() for one in answers], dtype=np.bool_)
    return np.array([one is not None and _is_whole(one, task, encoding) for one in answers], dtype=np.bool_)


def _is_whole(answer: Answer, task: Task, encoding: Any) -> bool:
    if task.NAME == "asr":
        return isinstance(answer.get("text"), str)
    if task.NAME == "personality":
        return set(answer["traits"]) == set(encoding.labels)
    sure = answer["probabilities"]
    likeliest = max(sure, key=sure.__getitem__)
    return (
        set(sure) == set(encoding.labels)
        and answer["emotion"] == likeliest
        and abs(sum(sure.values()) - 1.0) <= ROUNDING
    )


def _given(answers: Answers) -> list[Answer]:
    given = [one for one in answers.answers if one is not None]
    if len(given) < len(answers):
        raise ValueError(f"{len(answers) - len(given)} rows have no answer")
    return given


def _change_label(one: Answers, other: Answers, _encoding: Any) -> Floats:
    pairs = zip(_given(one), _given(other), strict=True)
    return np.array([float(label_of(before) != label_of(behind)) for before, behind in pairs])


def _change_probability(one: Answers, other: Answers, encoding: Any) -> Floats:
    sides = (
        np.array([[each["probabilities"][label] for label in encoding.labels] for each in _given(side)], np.float64)
        for side in (one, other)
    )
    tables = (side.reshape(-1, len(encoding.labels)) for side in sides)  # of no rows too
    before, behind = tables
    return np.asarray(np.abs(behind - before).max(axis=1), dtype=np.float64)


def _change_text(one: Answers, other: Answers, _encoding: Any) -> Floats:
    before, behind = ([str(each["text"]) for each in _given(side)] for side in (one, other))
    errors, words = count_errors(before, behind, characters=False)
    return np.asarray(errors / np.maximum(words, 1), dtype=np.float64)


def _change_trait(one: Answers, other: Answers, encoding: Any) -> Floats:
    low, high = encoding.answer_range if encoding.kind == "regression" else (0.0, 1.0)
    before, behind = (trait_table(_given(side), encoding.labels) for side in (one, other))
    return np.asarray(np.abs(behind - before).max(axis=1) / (high - low), dtype=np.float64)


def _measure_rows(of: str, answers: Answers, encoding: Any) -> Floats:
    given = _given(answers)
    if of == "confidence":
        return np.array([max(one["probabilities"].values()) for one in given], dtype=np.float64)
    if of == "errors":
        said = [str(one["text"]) for one in answers.references]
        errors, words = count_errors(said, [str(one["text"]) for one in given], characters=False)
        return np.asarray(errors / np.maximum(words, 1), dtype=np.float64)
    return trait_table(given, encoding.labels)[:, encoding.labels.index(of)]


_DISTANCES: dict[str, Callable[[Answers, Answers, Any], Floats]] = {
    "label": _change_label,
    "probability": _change_probability,
    "text": _change_text,
    "trait": _change_trait,
}

_FAMILIES: dict[str, tuple[str, ...]] = {
    "asr": ("text", "errors", "no words", "whole"),
    "emotion": ("label", "probability", "confidence", "whole"),
    "personality": ("trait", *TRAITS, "whole"),
}
