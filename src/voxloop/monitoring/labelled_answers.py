"""Answers that got a label: what waits in quarantine, joined by request id to the prediction log's rows."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.data.text import NORMALISER_VERSION
from voxloop.monitoring.feedback import FIELDS, Feedback, is_person, read_quarantine
from voxloop.monitoring.prediction import ANSWERED
from voxloop.monitoring.prediction_log import read_window
from voxloop.tasks.transcripts import NORMALISER_NAME, spell

COLUMNS = ("request_id", "model_digest", "is_shadow", "status", "answer", "key_id", "speaker", "speaker_key")
HOUR = timedelta(hours=1)
Write = Callable[[Mapping[str, Any]], str]
"""What a label or an answer says, as one text that another can be held against."""

UNREADABLE, UNFIT = "labels nobody can read", "labels of another kind"
ABSENT = "labels of answers that are not the champion's, or not in the log"
CONTRADICTED = "answers whose labels contradict each other"
UNCLEAR = "answers nobody can read"
TWICE = "answers that the log has twice, differently"
CHOSEN = "labels of answers that were chosen for their doubt, by people who were given them"
OLD_PSEUDONYM = "answers whose speaker has a pseudonym of an earlier key"


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer of the champion, and what it should have been.

    Args:
        request_id: Of the request.
        speaker: Pseudonym of who speaks, or the key that asked where none is named.
        answered: What the champion said.
        given: What the label says.
        key_id: Whose label it is: the first key of several that say the same.
    """

    request_id: str
    speaker: str
    answered: str
    given: str
    key_id: str


@dataclass(frozen=True)
class Labelled:
    """What is known of labels and answers.

    Args:
        answers: One a request, by request id.
        labels: What the champion can say; empty where that is any text.
        uncounted: How many labels or answers count for nothing, by why.
        unread: Files of the log that may hold answers and cannot be read.
    """

    answers: tuple[LabelledAnswer, ...]
    labels: tuple[str, ...] = ()
    uncounted: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def choose_writer(task: str, spelling: Mapping[str, str]) -> Write | str:
    """Return how a family's labels and answers are written to be compared; a text where they cannot be: why.

    Args:
        task: Family.
        spelling: As `AtPromotion` has it.
    """
    if task == "emotion":
        return lambda said: str(said["emotion"])
    if task != "asr":
        return f"a label of {task} is of one answer, and what it is judged by is of persons"
    normaliser = (spelling.get("normaliser"), spelling.get("normaliser_version"))
    if normaliser != (NORMALISER_NAME, NORMALISER_VERSION) or "unspoken" not in spelling:
        return f"the champion's words were spelled by {normaliser[0]} {normaliser[1]}, which is not here"
    # The log does not say in which language somebody spoke.
    return lambda said: spell(str(said["text"]), None, spelling["unspoken"])


def read_labelled(
    feedback: Path, log: Path, task: str, model: str, write: Write, *, since: datetime, until: datetime
) -> Labelled:
    """Return the champion's answers of [since, until) that have a label.

    Of the log only the hours with labels are read. Labels that people gave to what `voxloop worth-labelling` listed
    count for nothing here: it lists what the champion was unsure of, and the error would be that of such answers.

    Args:
        feedback: Folder of all feedback.
        log: Folder of the prediction log.
        task: Family.
        model: Digest of the champion.
        write: As `choose_writer` gave it.
        since: Aware.
        until: Aware.
    """
    found = [one for _, one in read_quarantine(feedback, task, since=since, until=until)]
    given = [one for one in found if one is not None]
    hours = {at.replace(minute=0, second=0, microsecond=0) for one in given if (at := _answered_at(one)) is not None}
    windows = [read_window(log, task, hour, hour + HOUR, columns=COLUMNS) for hour in sorted(hours)]
    asked_for = pa.array({str(one.request_id) for one in given}, pa.string())
    tables = [window.table.filter(pc.is_in(window.table["request_id"], asked_for)) for window in windows]
    rows = [row for table in tables for row in table.to_pylist() if since <= row["at"] < until]
    within = [one for one in found if _is_within(one, since, until)]
    callers = [one for one in within if one is None or not is_person(one.key_id)]
    joined = join_labels(callers, rows, task, model, write)
    unread = tuple(f"{name}: {why}" for window in windows for name, why in window.unreadable.items())
    chosen = {CHOSEN: len(within) - len(callers)} if len(callers) < len(within) else {}
    return Labelled(joined.answers, joined.labels, {**joined.uncounted, **chosen}, unread)


def join_labels(
    given: Iterable[Feedback | None], rows: Iterable[Mapping[str, Any]], task: str, model: str | None, write: Write
) -> Labelled:
    """Return answers with their labels, in whatever order either comes.

    The newest label of a key counts, for it corrects the one before; where two keys say two things nobody knows which
    is right, and the answer counts for nothing.

    Args:
        given: Labels; None for one that cannot be read.
        rows: Of the log, with `COLUMNS`.
        task: Family.
        model: Digest of the champion; None for the answers of whichever model.
        write: How both are compared.
    """
    uncounted: Counter[str] = Counter()
    labels: dict[str, list[Feedback]] = defaultdict(list)
    for one in given:
        if one is None:
            uncounted[UNREADABLE] += 1
        elif not _is_fit(one, task):
            uncounted[UNFIT] += 1
        else:
            labels[one.request_id].append(one)
    answers, known = _index_answers(rows, labels, model, write, uncounted)
    joined = []
    for request_id in sorted(labels):
        if request_id not in answers:
            uncounted[ABSENT] += request_id not in known
        elif (settled := _settle(labels[request_id], write)) is None:
            uncounted[CONTRADICTED] += 1
        else:
            answered, speaker = answers[request_id]
            joined.append(LabelledAnswer(request_id, speaker, answered, *settled))
    names = {name for text in known.values() for name in text}
    return Labelled(tuple(joined), tuple(sorted(names)), {why: count for why, count in uncounted.items() if count})


def _index_answers(
    rows: Iterable[Mapping[str, Any]],
    labels: Mapping[str, Any],
    model: str | None,
    write: Write,
    uncounted: Counter[str],
) -> tuple[dict[str, tuple[str, str]], dict[str, set[str]]]:
    """Return what was answered and who spoke by request, and of every such request the labels the champion knows."""
    found: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    known: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["request_id"] not in labels or not _is_answer(row, model):
            continue
        names = known[row["request_id"]]
        try:
            answer = json.loads(row["answer"])
            said = write(answer)
            names |= set(answer.get("probabilities") or ())
        except (ValueError, KeyError, TypeError, AttributeError):
            uncounted[UNCLEAR] += 1
            continue
        found[row["request_id"]].add((said, row["speaker"] or f"key {row['key_id']}", row["speaker_key"] or ""))
    newest = max((key_version(key) for different in found.values() for *_, key in different), default=0)
    answers = {}
    for request_id, different in found.items():
        if len(different) > 1:
            uncounted[TWICE] += 1
            continue
        ((answered, speaker, key),) = different
        if key and key_version(key) < newest:
            # Under another key the same person has another name, and would count as two.
            uncounted[OLD_PSEUDONYM] += 1
            continue
        answers[request_id] = (answered, speaker)
    return answers, known


def _settle(labels: Sequence[Feedback], write: Write) -> tuple[str, str] | None:
    """Return what the labels of an answer say together, and whose that is; None where they say two things."""
    newest: dict[str, int] = {}
    for one in labels:
        newest[one.key_id] = max(one.number, newest.get(one.key_id, 0))
    said = {write(one.label) for one in labels if one.number == newest[one.key_id]}
    if len(said) > 1:
        return None
    return said.pop(), min(newest, key=lambda key: (newest[key], key))


def _is_answer(row: Mapping[str, Any], model: str | None) -> bool:
    return bool(
        model in (None, row["model_digest"])
        and row["status"] == ANSWERED
        and not row["is_shadow"]
        and row["answer"] is not None
    )


def _is_fit(one: Feedback, task: str) -> bool:
    """Whether a label is what the gateway lets through: its file may have been written by anybody since."""
    right = isinstance(one.label, dict) and one.label.keys() == {FIELDS[task]} and one.family == task
    names = isinstance(one.request_id, str) and isinstance(one.key_id, str) and isinstance(one.number, int)
    return right and names and isinstance(one.label[FIELDS[task]], str)


def _is_within(one: Feedback | None, since: datetime, until: datetime) -> bool:
    at = None if one is None else _answered_at(one)
    return at is None or since <= at < until


def _answered_at(one: Feedback) -> datetime | None:
    try:
        at = datetime.fromisoformat(one.answered_at)
    except (TypeError, ValueError):
        return None
    return None if at.tzinfo is None else at.astimezone(UTC)


def key_version(key: str | None) -> int:
    """Return the number of a version of the key of pseudonyms, `v3`; 0 for none."""
    key = key or ""
    return int(key[1:]) if key[:1] == "v" and key[1:].isdecimal() else 0
