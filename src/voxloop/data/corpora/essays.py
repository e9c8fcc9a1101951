"""Essays: students' streams of consciousness with their own Big Five (Pennebaker and King, JPSP 77(6), 1999).

Words alone. Layout: `essays.csv` in Latin-1 with a row an essay, traits as y or n.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from voxloop.data.corpora.clips import draft, need_folder, offer
from voxloop.data.corpora.labels import look_up, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, find_folder
from voxloop.data.corpora.tables import Row, TableForm, read_rows
from voxloop.data.schema import Utterance

TABLE = "essays.csv"
AUTHOR, TEXT = "#AUTHID", "TEXT"
TRAIT_COLUMNS = {
    "openness": "cOPN",
    "conscientiousness": "cCON",
    "extraversion": "cEXT",
    "agreeableness": "cAGR",
    "neuroticism": "cNEU",
}
LAYOUT = f"Essays is a folder with {TABLE}"
FORM = TableForm(columns=(AUTHOR, TEXT, *TRAIT_COLUMNS.values()), key=AUTHOR, encoding="latin-1")


class EssaysConfig(CorpusConfig):
    """`configs/corpora/essays.yaml`."""

    answers: dict[str, float]
    """The corpus' letters, and the score each stands for."""


def locate(path: Path) -> Path:
    """Return the folder that holds essays.csv.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (TABLE,), LAYOUT)


def list_candidates(config: EssaysConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every row, in the table's order.

    Raises:
        CorpusError: The table cannot be read.
    """
    folder = need_folder(folder, "Essays", LAYOUT)
    return [
        offer(f"{TABLE}/{row[AUTHOR]}", name_author(row), partial(_describe, config, row))
        for row in read_rows(folder / TABLE, FORM)
    ]


def name_author(row: Row) -> str:
    """Return the id of who wrote an essay: everybody wrote one."""
    return f"essays-{row[AUTHOR].removesuffix('.txt')}"


def _describe(config: EssaysConfig, row: Row) -> Utterance:
    path = f"{TABLE}/{row[AUTHOR]}"
    return draft(
        config,
        name_author(row),
        name_author(row),
        text=read_text(row[TEXT], path, f"the column {TEXT}"),
        traits={trait: look_up(config.answers, row[name], path, name) for trait, name in TRAIT_COLUMNS.items()},
    )


READER = CorpusReader(
    name="essays",
    title="Essays: students' streams of consciousness, Big Five as high or low; words only",
    tasks=("personality",),
    licence="research with citation",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=EssaysConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="2,467 essays, 2,467 speakers, words only",
)
