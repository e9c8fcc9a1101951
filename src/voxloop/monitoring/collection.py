"""From the prediction log and checked labels to a corpus: the folder that the reader `production` reads.

The same log, labels and policy give the same bytes. Nothing is taken out of quarantine: what was collected stands in
the corpus, with who labelled it, so no label need be moved to be known as used, and no kill leaves one half moved.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from voxloop.data.corpora.production import AUDIO, COLUMNS, TABLE, name_sound
from voxloop.data.poison_config import OwnConfig, PoisonConfig
from voxloop.data.schema import TRAITS
from voxloop.errors import RefusedError
from voxloop.monitoring.accepted_labels import AcceptedLabels, accept_labels
from voxloop.monitoring.feedback import Feedback, read_quarantine
from voxloop.monitoring.kept_answers import COLUMNS as READ
from voxloop.monitoring.kept_answers import NO_SOUND, KeptAnswers, Row, find_kept, read_sounds
from voxloop.monitoring.label_policy import LabelPolicy
from voxloop.monitoring.prediction import ANSWERED
from voxloop.monitoring.prediction_log import Window, read_window
from voxloop.store.atomic import build_folder
from voxloop.store.digests import canonical_json

RECORD = "collection.json"
RECORD_VERSION = 1
NO_LABEL = "answers without a label"
NO_WORDS = "answers to which nothing was said, by their label: there are no words to learn"


@dataclass(frozen=True)
class Interval:
    """Whose answers are looked at, and where.

    Args:
        log: Folder of the prediction log.
        feedback: Folder of all feedback.
        family: Whose.
        since: Aware.
        until: Aware, after it.
    """

    log: Path
    feedback: Path
    family: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Collection:
    """What was collected.

    Args:
        taken: Answers in the corpus.
        speakers: Whose they are.
        left_out: Rows of the log that are not in it, by why; with those taken they are all of the interval.
        held: Keys whose labels stay in quarantine, and what is said against each.
        unreadable: Files of labels that nobody can read.
        unread: Files of the log that cannot be read, each with the reason.
        lost: Rows that were given to the log and never written, as far as is known.
    """

    taken: int
    speakers: int
    left_out: Mapping[str, int]
    held: Mapping[str, str]
    unreadable: int
    unread: Mapping[str, str]
    lost: int


def collect_corpus(
    asked: Interval, policy: LabelPolicy, poison: PoisonConfig | OwnConfig, erased: Container[str], out: Path
) -> Collection:
    """Write the answers of an interval that have a label to learn from, and their sound, as a corpus.

    Args:
        asked: Whose, and of when.
        policy: How many labels tell anything of callers' keys.
        poison: What the poison checks ask of a group.
        erased: Speakers who were.
        out: Folder to write; it appears whole or not at all, its owner's alone.

    Raises:
        InputError: The interval is none, or `out` holds something.
        RefusedError: There is nothing to collect.
    """
    window = read_window(asked.log, asked.family, asked.since, asked.until, columns=READ)
    accepted = _accept(asked, window, policy, poison)
    kept = find_kept(window.table, erased)
    left_out = Counter(kept.left_out)
    with_label = _take_labelled(kept, accepted, left_out)
    table: list[dict[str, str]] = []
    with build_folder(out) as folder:
        folder.chmod(0o700)
        (folder / AUDIO).mkdir(mode=0o700)
        for row, sound in read_sounds(asked.log, asked.family, with_label):
            if sound is None:
                left_out[NO_SOUND] += 1
                continue
            (folder / name_sound(row["request_id"])).write_bytes(sound)
            table.append(_describe(row, accepted.labels[row["request_id"]]))
        found = Collection(
            taken=len(table),
            speakers=len({row["speaker"] for row in table}),
            left_out=dict(sorted(left_out.items())),
            held=accepted.held,
            unreadable=accepted.unreadable,
            unread=window.unreadable,
            lost=window.lost,
        )
        if not table:
            raise _nothing(asked, found)
        (folder / TABLE).write_text(write_table(COLUMNS, table), encoding="utf-8", newline="")
        (folder / RECORD).write_text(canonical_json(_as_record(asked, found)) + "\n", encoding="utf-8")
    return found


def write_table(columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _accept(asked: Interval, window: Window, policy: LabelPolicy, poison: PoisonConfig | OwnConfig) -> AcceptedLabels:
    """Return the labels to learn from; they are judged beside all answers, also those whose sound was not kept."""
    found = [one for _, one in read_quarantine(asked.feedback, asked.family, since=asked.since, until=asked.until)]
    requests = {one.request_id for one in found if one is not None and isinstance(one.request_id, str)}
    labelled = window.table.filter(pc.is_in(window.table["request_id"], pa.array(sorted(requests), pa.string())))
    rows = [row for row in labelled.to_pylist() if row["status"] == ANSWERED and not row["is_shadow"]]
    unread = tuple(f"{name}: {why}" for name, why in window.unreadable.items())
    return accept_labels(found, rows, asked.family, policy, poison, unread=unread)


def _take_labelled(kept: KeptAnswers, accepted: AcceptedLabels, left_out: Counter[str]) -> list[Row]:
    taken = []
    for row in kept.rows:
        label = accepted.labels.get(row["request_id"])
        if label is None:
            left_out[accepted.refused.get(row["request_id"], NO_LABEL)] += 1
        elif not label.label.get("text", "words").strip():
            left_out[NO_WORDS] += 1
        else:
            taken.append(row)
    return taken


def _describe(row: Row, label: Feedback) -> dict[str, str]:
    traits: Mapping[str, Any] = label.label.get("traits", {})
    return {
        "request_id": row["request_id"],
        "speaker": row["speaker"],
        "speaker_key": row["speaker_key"] or "",
        "at": row["at"].astimezone(UTC).isoformat(),
        "emotion": label.label.get("emotion", ""),
        "text": label.label.get("text", ""),
        **{name: repr(float(traits[name])) if name in traits else "" for name in TRAITS},
        "model": row["model_digest"],
        "confidence": "" if row["confidence"] is None else repr(row["confidence"]),
        "labelled_by": label.key_id,
        "label_number": str(label.number),
    }


def _as_record(asked: Interval, found: Collection) -> dict[str, object]:
    return {
        "version": RECORD_VERSION,
        "family": asked.family,
        "since": asked.since.astimezone(UTC).isoformat(),
        "until": asked.until.astimezone(UTC).isoformat(),
        **vars(found),
    }


def _nothing(asked: Interval, found: Collection) -> RefusedError:
    why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    held = f"; held: {'; '.join(sorted({*found.held.values()}))}" if found.held else ""
    return RefusedError(
        f"nothing is collected of {asked.family}: {why or 'no row is in the prediction log'}{held}",
        rule="a corpus is of answers with consent, a named speaker and a label that is not held",
        remedy="ask for labels (voxloop worth-labelling), or give another interval",
    )
