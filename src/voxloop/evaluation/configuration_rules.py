"""The rule about how an evaluation was made: asked what the family's configuration asks, not something easier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from voxloop.config import resolved
from voxloop.evaluation.case import Case
from voxloop.evaluation.judgement import Reason
from voxloop.store.digests import canonical_json
from voxloop.verdict import Verdict

RULE = "configuration"
NOT_COMPARED = frozenset({"threads"})
"""What a machine may choose for itself: both models run in as many. Batch and pool say who is asked beside whom, which
is what a test of behaviour is about: in batches of one, no answer hangs on the others."""
NOTHING = "nothing"
SHOWN_CHARACTERS = 120


def check_configuration(case: Case) -> list[Reason]:
    """The models were asked as they had to be, key by key: conditions, tests, golden requests, the choice of rows."""
    if case.asked is None:
        text = "nothing to compare with: how it was evaluated was for its own time to say"
        return [case.first.reason(RULE, Verdict.PASS, text, measure=RULE, value=None)]
    found, remedy = case.evaluation.configuration, f"evaluate again with configs/evaluation/{case.task}.yaml as it is"
    if found is None:
        text = f"evaluation.json does not say how the models were asked; {remedy}"
        return [case.first.reason(RULE, Verdict.CANNOT_TELL, text, measure=RULE, value=None)]
    return [
        case.first.reason(
            RULE,
            Verdict.CANNOT_TELL,
            f"{key} was {value}, asked for is {asked}; {remedy}, without --set {key}",
            measure=key,
            value=value,
            bound=asked,
        )
        for key, value, asked in find_differences(found, resolved(case.asked))
    ] or [case.first.reason(RULE, Verdict.PASS, "the models were asked what is asked for", measure=RULE, value=None)]


def find_differences(found: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each key that differs, as `a.b`, with what was found and what is asked, as JSON.

    A key that one side lacks is told whole, not by its parts.

    Args:
        found: A configuration as plain JSON values.
        asked: The other.
    """
    ours, theirs = ({name: one[name] for name in one.keys() - NOT_COMPARED} for one in (found, asked))
    yield from _compare(ours, theirs)


def _compare(found: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for name in sorted(found.keys() | asked.keys()):
        value, wanted = found.get(name), asked.get(name)
        if isinstance(value, Mapping) and isinstance(wanted, Mapping):
            yield from _compare(value, wanted, f"{prefix}{name}.")
            continue
        shown = [canonical_json(one[name]) if name in one else NOTHING for one in (found, asked)]
        if shown[0] != shown[1]:
            yield f"{prefix}{name}", _shorten(shown[0]), _shorten(shown[1])


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"
