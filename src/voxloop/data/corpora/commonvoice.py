"""Common Voice, sentences read by volunteers in over a hundred languages (Ardila and others, LREC 2020).

Layout: one language a folder: `validated.tsv` and the other tables beside `clips/*.mp3`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from pydantic import Field

from voxloop.data.corpora.clips import draft, need_folder, offer_clip
from voxloop.data.corpora.labels import look_up, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.corpora.tables import Row, TableForm, bad_table, iter_rows
from voxloop.data.schema import Utterance

CLIPS = "clips"
LAYOUT = "Common Voice is the folder of one language, with validated.tsv (or another table) and clips/*.mp3"
FORM = TableForm(
    columns=("client_id", "path", "sentence", "age", "gender", "locale"), key="path", delimiter="\t", quoted=False
)


class CommonvoiceConfig(CorpusConfig):
    """`configs/corpora/commonvoice.yaml`."""

    parts: tuple[str, ...] = Field(default=("validated",), min_length=1)
    """The tables to take: validated, or train, dev and test of the official split."""
    ages: dict[str, int | None]
    """The corpus' words for a decade of life, and the year in its middle."""
    genders: dict[str, str | None]
    """The corpus' words, which changed over the years, and ours."""


def locate(path: Path) -> Path:
    """Return the folder of the one language at or below `path`.

    Raises:
        CorpusError: There is none, or there are several.
    """
    return find_folder(path, (CLIPS, "*.tsv"), LAYOUT)


def list_candidates(config: CommonvoiceConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every row of the tables asked for, in their order. Clips that none of them names stay out.

    Raises:
        CorpusError: A table is missing or malformed, or two of them name the same clip.
    """
    folder = need_folder(folder, "Common Voice", LAYOUT)
    return [
        offer_clip(config, folder, f"{CLIPS}/{row['path']}", row["client_id"] or None, partial(_describe, config, row))
        for row in _iter_tables(folder, config.parts)
    ]


def _iter_tables(folder: Path, parts: Sequence[str]) -> Iterator[Row]:
    seen: set[str] = set()
    for part in parts:
        table = folder / f"{part}.tsv"
        for row in iter_rows(table, FORM):
            if row["path"] in seen:
                raise bad_table(
                    table, f"names {row['path']}, which another table of {', '.join(parts)} names too", FORM
                )
            seen.add(row["path"])
            yield {**row, "client_id": sys.intern(row["client_id"])}  # 128 letters, shared by all clips of a client


def _describe(config: CommonvoiceConfig, row: Row) -> Utterance:
    path = f"{CLIPS}/{row['path']}"
    if Path(row["path"]).name != row["path"]:
        raise UnusableFileError(path, "outside the corpus", "a clip is named by its file name alone")
    if not row["client_id"]:
        raise UnusableFileError(path, "no speaker", "its client_id is empty")
    return draft(
        config,
        f"commonvoice-{Path(path).stem}",
        row["client_id"],
        language=row["locale"],
        text=read_text(row["sentence"], path, "the column sentence"),
        gender=look_up(config.genders, row["gender"], path, "gender"),
        age=look_up(config.ages, row["age"], path, "age"),
    )


READER = CorpusReader(
    name="commonvoice",
    title="Common Voice: sentences read by volunteers, many languages",
    tasks=("asr",),
    licence="CC0-1.0",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=CommonvoiceConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="by language and release: under 1 to over 2,000 h",
)
