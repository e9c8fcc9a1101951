"""Which of the labels that wait in quarantine a corpus may be made of. Nothing is taken out of quarantine by it.

Callers' keys are held against each other, as they are before production is measured by their labels. People who were
given what to label are held against people alone: what they are given is what the champion is unsure of, so their
labels contradict it more often than those of callers do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voxloop.data.poison_config import OwnConfig, PoisonConfig
from voxloop.data.text import NORMALISER_VERSION
from voxloop.errors import InputError
from voxloop.monitoring.feedback import Feedback, check_label, is_person
from voxloop.monitoring.label_check import check_labels
from voxloop.monitoring.label_policy import LabelPolicy
from voxloop.monitoring.labelled_answers import (
    CONTRADICTED,
    UNCLEAR,
    UNFIT,
    Labelled,
    Write,
    choose_writer,
    join_labels,
)
from voxloop.monitoring.measured_loss import find_contradicted
from voxloop.monitoring.request_lookup import KnownRequest, know_row
from voxloop.store.digests import canonical_json
from voxloop.tasks.transcripts import NORMALISER_NAME, SymbolsConfig

HELD = "answers whose labels are all of keys that are held"
UNTOLD = "answers whose labels are all of keys of which nothing can be told"
SPELLING = {
    "normaliser": NORMALISER_NAME,
    "normaliser_version": NORMALISER_VERSION,
    "unspoken": SymbolsConfig().unspoken,
}
"""How two labels in words are compared: no champion is judged here, so no champion's spelling is asked for."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class AcceptedLabels:
    """What is said of labels.

    Args:
        labels: The label of an answer that may be learnt from, by request.
        refused: Why an answer that has labels has none to learn from, by request.
        held: Keys whose labels stay in quarantine, and what is said against each.
        unreadable: Files of labels that nobody can read.
    """

    labels: Mapping[str, Feedback]
    refused: Mapping[str, str]
    held: Mapping[str, str]
    unreadable: int


def accept_labels(
    given: Sequence[Feedback | None],
    rows: Sequence[Row],
    task: str,
    policy: LabelPolicy,
    poison: PoisonConfig | OwnConfig,
    *,
    unread: tuple[str, ...] = (),
) -> AcceptedLabels:
    """Return the labels of which nothing is to be said, in whatever order they come.

    The newest label of a key counts, for it corrects the one before; where two keys that are not held say two things
    nobody knows which is right, and the answer has no label.

    Args:
        given: Labels of the family; None for one that cannot be read.
        rows: Answers that callers got of those requests, of whichever model, with the columns of `labelled_answers`.
        task: Family.
        policy: How many labels are enough to tell anything of callers' keys.
        poison: What the poison checks ask of a group.
        unread: Files of the log that may hold answers and cannot be read.
    """
    readable = [one for one in given if one is not None and _is_named(one)]
    write = choose_writer(task, SPELLING)
    held = _hold_keys(readable, rows, task, write, policy, poison, unread)
    by_request: dict[str, list[Feedback]] = defaultdict(list)
    for one in readable:
        by_request[one.request_id].append(one)
    answers = {row["request_id"]: row for row in rows}
    labels, refused = {}, {}
    for request, some in sorted(by_request.items()):
        if request not in answers:
            continue
        settled = _settle(some, answers[request], held, write)
        if isinstance(settled, str):
            refused[request] = settled
        else:
            labels[request] = settled
    reasons = {key: why for key, (_, why) in sorted(held.items())}
    return AcceptedLabels(labels, refused, reasons, sum(one is None for one in given))


def _hold_keys(
    given: Sequence[Feedback],
    rows: Sequence[Row],
    task: str,
    write: Write | str,
    policy: LabelPolicy,
    poison: PoisonConfig | OwnConfig,
    unread: tuple[str, ...],
) -> dict[str, tuple[str, str]]:
    """Return the keys that are held: what is said of their answers, and what of the key."""
    callers = [one for one in given if not is_person(one.key_id)]
    if isinstance(write, str) or not isinstance(poison, PoisonConfig):
        why = write if isinstance(write, str) else f"configs/poison holds nobody of {task} against others"
        return {one.key_id: (UNTOLD, why) for one in callers}
    held: dict[str, tuple[str, str]] = {}
    for side in (callers, [one for one in given if is_person(one.key_id)]):
        joined = join_labels(side, rows, task, None, write)
        labelled = Labelled(joined.answers, joined.labels, joined.uncounted, unread)
        check = check_labels(labelled, find_contradicted(joined.answers, is_words=task == "asr"), policy, poison)
        # A person answers for the labels by name; of callers' keys, what cannot be told is not taken for well.
        untold = check.doubts if side is callers else ()
        held |= {one.key_id: (UNTOLD, "; ".join(untold)) for one in side if untold}
        held |= {key: (HELD, told) for key, told in check.suspicious_keys.items()}
    return held


def _settle(
    labels: Sequence[Feedback], row: Row, held: Mapping[str, tuple[str, str]], write: Write | str
) -> Feedback | str:
    """Return the label that counts of an answer; a text where there is none: why."""
    usable = [one for one in labels if one.key_id not in held]
    if not usable:
        return min(held[one.key_id][0] for one in labels)
    if (known := know_row(row)) is None:
        return UNCLEAR
    newest = {one.key_id: one.number for one in sorted(usable, key=lambda one: one.number)}
    counting = [one for one in usable if one.number == newest[one.key_id]]
    if not all(_is_fit(known, one) for one in counting):
        return UNFIT
    spelled = {canonical_json(one.label) if isinstance(write, str) else write(one.label) for one in counting}
    return CONTRADICTED if len(spelled) > 1 else max(counting, key=lambda one: (one.number, one.key_id))


def _is_fit(known: KnownRequest, one: Feedback) -> bool:
    """Whether a label is what the gateway lets through: its file may have been written by anybody since."""
    try:
        return check_label(known, one.label) == one.label
    except (InputError, KeyError, TypeError, AttributeError):
        return False


def _is_named(one: Feedback) -> bool:
    return isinstance(one.request_id, str) and isinstance(one.key_id, str) and isinstance(one.number, int)
