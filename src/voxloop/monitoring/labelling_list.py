"""A list of answers for people to label, with their sound: a table to fill in, recordings, and a page to listen on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import pyarrow.compute as pc

from voxloop.data.corpora.production import AUDIO, name_sound
from voxloop.data.report_markup import (
    SOUND_PAGE,
    escape_text,
    make_declaration,
    make_list,
    make_note,
    make_player,
    make_section,
)
from voxloop.data.schema import TRAITS
from voxloop.errors import RefusedError
from voxloop.monitoring.collection import Interval, write_table
from voxloop.monitoring.drift.profile_file import ReferenceFile
from voxloop.monitoring.drift.window import READ, as_arrays
from voxloop.monitoring.feedback import FIELDS, read_quarantine
from voxloop.monitoring.kept_answers import COLUMNS, NO_SOUND, Row, find_kept, read_sounds
from voxloop.monitoring.prediction import ANSWERED
from voxloop.monitoring.prediction_log import read_window
from voxloop.monitoring.worth_labelling import Scores, score_answers, spread_over_speakers
from voxloop.monitoring.worth_policy import WorthPolicy
from voxloop.store.atomic import build_folder
from voxloop.store.digests import canonical_json

TABLE, PAGE, RECORD = "worth_labelling.csv", "listen.html", "listing.json"
RECORD_VERSION = 1
HAS_LABEL, NO_REASON = "answers with a label", "answers of which nothing is to be said"
NOT_LISTED = "answers worth less than those listed, or of speakers who have their share"


@dataclass(frozen=True)
class Listed:
    """An answer that is listed.

    Args:
        row: Of the log.
        score: Sum of the strengths of its reasons.
        why: The reasons.
        sound: FLAC.
    """

    row: Row
    score: float
    why: tuple[str, ...]
    sound: bytes


@dataclass(frozen=True)
class Listing:
    """What was listed.

    Args:
        listed: The most worth first.
        left_out: Rows of the log that are not, by why; with those listed they are all of the interval.
        untold: Which reasons could not be looked for, and why.
        unread: Files of the log that cannot be read, each with the reason.
    """

    listed: tuple[Listed, ...]
    left_out: Mapping[str, int]
    untold: tuple[str, ...]
    unread: Mapping[str, str]


def label_columns(family: str) -> tuple[str, ...]:
    """Return the columns of the table that a person fills in."""
    return TRAITS if FIELDS[family] == "traits" else (FIELDS[family],)


def list_worth(
    asked: Interval,
    policy: WorthPolicy,
    reference: ReferenceFile | str,
    drifted: frozenset[str] | str,
    erased: Container[str],
) -> Listing:
    """Choose the answers of an interval that are worth a label, have none, and may be listened to.

    Args:
        asked: Whose, and of when.
        policy: What is worth a label, and how many are listed.
        reference: Of the family; a text where there is none: why.
        drifted: Columns that have drifted; a text where that is not known: why.
        erased: Speakers who were.

    Raises:
        InputError: The interval is none.
    """
    columns = [name for name in dict.fromkeys((*READ, *COLUMNS)) if name != "at"]
    window = read_window(asked.log, asked.family, asked.since, asked.until, columns=columns)
    answers = window.table.filter(
        pc.and_(pc.equal(window.table["status"], ANSWERED), pc.invert(window.table["is_shadow"]))
    )
    scores = score_answers(as_arrays(answers), reference, drifted, policy)
    place_of = {request: place for place, request in enumerate(answers["request_id"].to_pylist())}
    kept = find_kept(window.table.select(["at", *COLUMNS]), erased)
    labelled = _find_labelled(asked)
    left_out = Counter(kept.left_out)
    candidates: list[tuple[int, Row]] = []
    for row in kept.rows:
        place = place_of[row["request_id"]]
        if row["request_id"] in labelled:
            left_out[HAS_LABEL] += 1
        elif place not in scores.reasons:
            left_out[NO_REASON] += 1
        else:
            candidates.append((place, row))
    listed = _take(asked, candidates, scores, policy, left_out)
    left_out[NOT_LISTED] += len(candidates) - len(listed) - left_out[NO_SOUND]
    counts = {why: count for why, count in sorted(left_out.items()) if count}
    return Listing(listed, counts, scores.untold, window.unreadable)


def write_listing(asked: Interval, found: Listing, out: Path) -> None:
    """Write the table, the recordings and the page; the same listing gives the same bytes.

    Args:
        asked: Whose, and of when.
        found: What to write.
        out: Folder to write; it appears whole or not at all, its owner's alone.

    Raises:
        InputError: `out` holds something.
        RefusedError: Nothing is listed.
    """
    if not found.listed:
        why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items()) or "no row is in the log"
        raise RefusedError(
            f"no answer of {asked.family} is worth a label: {'; '.join([why, *found.untold])}",
            rule="listed are answers with consent, a named speaker, a reason and no label",
            remedy="give another interval, make a reference (voxloop drift), or change configs/labelling",
        )
    with build_folder(out) as folder:
        folder.chmod(0o700)
        (folder / AUDIO).mkdir(mode=0o700)
        for one in found.listed:
            (folder / name_sound(one.row["request_id"])).write_bytes(one.sound)
        (folder / TABLE).write_text(_make_table(asked.family, found), encoding="utf-8", newline="")
        (folder / PAGE).write_text(_make_page(asked, found), encoding="utf-8")
        (folder / RECORD).write_text(canonical_json(_as_record(asked, found)) + "\n", encoding="utf-8")


def _find_labelled(asked: Interval) -> set[str]:
    """Return the requests with a label, of whomever; the name of a file nobody can read says of which it is."""
    found = read_quarantine(asked.feedback, asked.family, since=asked.since, until=asked.until)
    return {path.name.partition("-")[0] for path, _ in found}


def _take(
    asked: Interval, candidates: list[tuple[int, Row]], scores: Scores, policy: WorthPolicy, left_out: Counter[str]
) -> tuple[Listed, ...]:
    """Return the answers most worth a label that have a sound, spread over speakers."""
    rows = dict(candidates)
    # `candidates` are by time, so of two that are worth the same the earlier comes first.
    ranked = sorted(rows, key=lambda place: -scores.totals[place])
    queue = list(spread_over_speakers([(place, rows[place]["speaker"]) for place in ranked], policy))
    listed: list[Listed] = []
    while queue and len(listed) < policy.most:
        some, queue = queue[: policy.most - len(listed)], queue[policy.most - len(listed) :]
        by_time = sorted((rows[place] for place in some), key=lambda row: (row["at"], row["request_id"]))
        sounds = {row["request_id"]: sound for row, sound in read_sounds(asked.log, asked.family, by_time)}
        for place in some:
            if (sound := sounds[rows[place]["request_id"]]) is None:
                left_out[NO_SOUND] += 1
            else:
                listed.append(Listed(rows[place], float(scores.totals[place]), scores.reasons[place], sound))
    return tuple(listed)


def _make_table(family: str, found: Listing) -> str:
    blank = dict.fromkeys(label_columns(family), "")
    rows = [
        {
            "request_id": one.row["request_id"],
            "why": "; ".join(one.why),
            "score": f"{one.score:.3f}",
            "answer": tell_answer(one.row),
            **blank,
        }
        for one in found.listed
    ]
    return write_table(("request_id", "why", "score", "answer", *blank), rows)


def tell_answer(row: Row) -> str:
    """Return what the model said, as a person reads it."""
    try:
        said = json.loads(row["answer"])
    except ValueError:
        return "not readable"
    words = said.get("emotion", said.get("text")) if isinstance(said, dict) else None
    return words if isinstance(words, str) else canonical_json(said)


def _make_page(asked: Interval, found: Listing) -> str:
    title = f"Worth a label: {asked.family}, {asked.since:%Y-%m-%d} to {asked.until:%Y-%m-%d}"
    told = f"Listen, write what was said to be right into {TABLE}, and leave empty what you cannot tell."
    body = [
        # Who speaks is shown to nobody; erasure finds the page by it.
        make_declaration([text for one in found.listed for text in (one.row["request_id"], one.row["speaker"])]),
        f"<h1>{escape_text(title)}</h1>",
        make_note(told),
        *map(make_note, found.untold),
    ]
    for number, one in enumerate(found.listed, start=1):
        facts = [("request", one.row["request_id"]), ("answer", tell_answer(one.row)), ("why", "; ".join(one.why))]
        body.append(make_section(str(number), make_list(facts), make_player(one.sound)))
    return SOUND_PAGE.substitute(title=escape_text(title), body="\n".join(body))


def _as_record(asked: Interval, found: Listing) -> dict[str, object]:
    return {
        "version": RECORD_VERSION,
        "family": asked.family,
        "since": asked.since.astimezone(UTC).isoformat(),
        "until": asked.until.astimezone(UTC).isoformat(),
        "listed": len(found.listed),
        "speakers": len({one.row["speaker"] for one in found.listed}),
        "left_out": dict(found.left_out),
        "untold": list(found.untold),
        "unread": dict(found.unread),
    }
