"""Whether labels that callers gave can be measured by: nothing here lets them out of quarantine.

What the poison checks know of groups (`voxloop.data.label_audit`) is asked of keys: whose labels contradict the answers
far more often than everybody's do, or lack a label that the answers have. That needs no sound, which is kept with
consent alone. Whether a label is right nobody can tell without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from voxloop.data.audit_rows import AuditRows, Mask, Names
from voxloop.data.label_audit import judge_groups, judge_relabelled
from voxloop.data.poison_config import PoisonConfig
from voxloop.monitoring.label_policy import LabelPolicy
from voxloop.monitoring.labelled_answers import CONTRADICTED, Labelled, LabelledAnswer


@dataclass(frozen=True)
class LabelCheck:
    """What is to be said against labels; nothing where they can be measured by.

    Args:
        doubts: Why nothing can be told by them.
        suspicions: What a person should look at.
        suspicious_keys: The same by whose labels they are about.
    """

    doubts: tuple[str, ...]
    suspicions: tuple[str, ...]
    suspicious_keys: Mapping[str, str] = field(default_factory=dict)


def check_labels(labelled: Labelled, contradicting: Mask, policy: LabelPolicy, poison: PoisonConfig) -> LabelCheck:
    """Look at the labels of a span as a whole, and at each key's beside the others'.

    Args:
        labelled: Answers and labels.
        contradicting: Of each answer, whether its label has nothing to do with it, bool [n].
        policy: How many are enough.
        poison: What the poison checks ask of a group.
    """
    doubts = [*_find_few(labelled.answers, policy), *_find_one_sided(labelled, policy)]
    if labelled.unread:
        doubts.append(f"{len(labelled.unread)} files of the prediction log cannot be read: {labelled.unread[0][:100]}")
    found = list(_find_suspicious_keys(labelled, contradicting, policy, poison))
    keys = {key: "; ".join(told for of, told in found if of == key) for key, _ in found}
    return LabelCheck(tuple(doubts), tuple(told for _, told in found), keys)


def _find_few(answers: Sequence[LabelledAnswer], policy: LabelPolicy) -> Iterator[str]:
    speakers = len({one.speaker for one in answers})
    if len(answers) < policy.least_answers:
        yield f"{len(answers)} answers with a label, of {policy.least_answers} at least"
    if speakers < policy.least_speakers:
        yield f"{speakers} speakers whose answers have a label, of {policy.least_speakers} at least"


def _find_one_sided(labelled: Labelled, policy: LabelPolicy) -> Iterator[str]:
    answers = labelled.answers
    contradicted = labelled.uncounted.get(CONTRADICTED, 0)
    if contradicted > policy.most_contradicted * (len(answers) + contradicted):
        share = f"{policy.most_contradicted:.0%} at most"
        yield f"labels of {contradicted} of {len(answers) + contradicted} answers contradict each other, of {share}"
    for of_whom, most, counts in (
        ("key", policy.most_of_one_key, Counter(one.key_id for one in answers)),
        ("label", policy.most_of_one_label, Counter(one.given for one in answers)),
    ):
        largest = max(counts.values(), default=0)
        if largest > most * len(answers):
            whose = "are of one key, which nobody can contradict" if of_whom == "key" else "say the same"
            yield f"{largest} of {len(answers)} labels {whose}: {most:.0%} at most"


def _find_suspicious_keys(
    labelled: Labelled, contradicting: Mask, policy: LabelPolicy, poison: PoisonConfig
) -> Iterator[tuple[str, str]]:
    """Yield the keys, and what is to be said of each."""
    if not labelled.answers:
        return
    rows = _as_rows(labelled.answers)
    findings = judge_groups(rows, contradicting, "label", policy.key_null, poison)
    if labelled.labels:
        columns: Mapping[str, Names] = rows.columns
        findings += judge_relabelled(rows, columns["given"], columns["answered"], contradicting, poison)
    for one in findings:
        # That a speaker is answered wrongly more often than others is what is to be measured, no fault of the labels.
        if one.group == "source" and one.alarm:
            about = f" ({one.about}, of the label given and the answer)" if one.about else ""
            told = (
                f"labels of key {one.name}{about} contradict {one.suspicious} of {one.rows} answers, "
                f"{one.expected:.0%} expected, p {one.p_value:.2g} (limit {one.limit:.2g})"
            )
            yield str(one.name), told


def _as_rows(answers: Sequence[LabelledAnswer]) -> AuditRows:
    """Return labelled answers as the poison checks take rows: the key that labelled is the source."""

    def names(of: str) -> Names:
        return np.array([getattr(one, of) for one in answers], dtype=np.str_)

    return AuditRows(
        ids=names("request_id"),
        speakers=names("speaker"),
        sources=names("key_id"),
        features=np.zeros((len(answers), 0)),
        columns={"given": names("given"), "answered": names("answered")},
    )
