"""Answers of production with a label, as `voxloop collect` writes them: consented sound, speakers under pseudonyms.

Layout: `utterances.csv` beside `audio/{request id}.flac`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import Clip, draft, need_folder, offer
from voxloop.data.corpora.labels import read_number, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.corpora.tables import Row, TableForm, iter_rows
from voxloop.data.schema import TRAITS, Utterance

AUDIO, TABLE = "audio", "utterances.csv"
LABELS = ("emotion", "text", *TRAITS)
"""Columns of what was said to be right; those of other families are empty."""
COLUMNS = (
    *("request_id", "speaker", "speaker_key", "at"),
    *LABELS,
    *("model", "confidence", "labelled_by", "label_number"),
)
"""Of the table: whose answer, whose voice, when, the label, and who answered and who labelled."""
REQUEST = re.compile(r"[0-9a-f]{32}")
LAYOUT = f"production is a folder of `voxloop collect`, with {TABLE} and {AUDIO}/(request id).flac"
FORM = TableForm(columns=COLUMNS, key="request_id")


def name_sound(request_id: str) -> str:
    """Return where the sound of an answer lies, relative to the folder."""
    return f"{AUDIO}/{request_id}.flac"


def locate(path: Path) -> Path:
    """Return the folder that holds the table and audio/.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (TABLE, AUDIO), LAYOUT)


def list_candidates(config: CorpusConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every row of the table, in its order, which is by time.

    Raises:
        CorpusError: The table cannot be read.
    """
    folder = need_folder(folder, "production", LAYOUT)
    return [_offer(config, folder, row) for row in iter_rows(folder / TABLE, FORM)]


def _offer(config: CorpusConfig, folder: Path, row: Row) -> Candidate:
    path = name_sound(row["request_id"])
    clip = Clip(folder, path, config.audio)
    describe = partial(_describe, config, row)
    return offer(path, row["speaker"] or None, describe, clip, recorded_at=_find_moment(row["at"]))


def _describe(config: CorpusConfig, row: Row) -> Utterance:
    path = name_sound(row["request_id"])
    if not REQUEST.fullmatch(row["request_id"]):
        raise UnusableFileError(path, "outside the corpus", "a sound is named by the 32 digits of its request")
    if not row["speaker"]:
        raise UnusableFileError(path, "no speaker", f"its column speaker is empty in {TABLE}")
    if not any(row[name] for name in LABELS):
        raise UnusableFileError(path, "no labels", f"{TABLE} has none in its row")
    return draft(
        config,
        row["request_id"],
        row["speaker"],
        text=read_text(row["text"], path, "the column text") if row["text"] else None,
        emotion=row["emotion"] or None,
        traits={name: read_number(row[name], path, name) for name in TRAITS if row[name]},
        recorded_at=_read_moment(row["at"], path),
    )


def _read_moment(text: str, path: str) -> datetime:
    if (at := _find_moment(text)) is None:
        raise UnusableFileError(path, "unknown label", f"at {text!r} is no moment with a time zone")
    return at


def _find_moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else None


READER = CorpusReader(
    name="production",
    title="Production: answered requests with a label, whose speakers let the sound be kept",
    tasks=("asr", "emotion", "personality"),
    licence="consented, own use",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=CorpusConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="what was collected",
)
