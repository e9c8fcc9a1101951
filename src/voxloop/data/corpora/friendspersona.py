"""FriendsPersona: scenes of a television series with the Big Five of one character (Jiang and others, AAAI 2020).

Words alone. Layout: `friends-personality.csv` with a row a scene and character, in simple HTML, traits as 0 or 1.
"""

from __future__ import annotations

import re
from functools import partial
from html import unescape
from pathlib import Path

from voxloop.data.corpora.clips import draft, need_folder, offer
from voxloop.data.corpora.labels import look_up, read_text
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader, UnusableFileError, find_folder
from voxloop.data.corpora.tables import Row, TableForm, read_rows
from voxloop.data.schema import Utterance

TABLE = "friends-personality.csv"
TRAIT_COLUMNS = {
    "openness": "cOPN",
    "conscientiousness": "cCON",
    "extraversion": "cEXT",
    "agreeableness": "cAGR",
    "neuroticism": "cNEU",
}
LAYOUT = f"FriendsPersona is a folder with {TABLE}"
FORM = TableForm(columns=("scene_id", "text", "character", *TRAIT_COLUMNS.values()))
HEADING = re.compile(r"<b>(?P<window>s\d+_e\d+_c\d+\(\d+\)) for (?P<character>[^<]+)</b>(?:<br>)*")
TAG = re.compile(r"</?b>")
BREAK = re.compile(r"\s*(?:<br\s*/?>\s*)+")


class FriendspersonaConfig(CorpusConfig):
    """`configs/corpora/friendspersona.yaml`."""

    scores: dict[str, float]
    """The corpus' labels, and the score each stands for."""
    same_character: dict[str, str]
    """Names of one character, each with the name that all of them get."""


def locate(path: Path) -> Path:
    """Return the folder that holds the table: the repository's is CSV/.

    Raises:
        CorpusError: There is none at or below `path`.
    """
    return find_folder(path, (TABLE,), LAYOUT)


def list_candidates(config: FriendspersonaConfig, folder: Path | None) -> list[Candidate]:
    """Return a candidate for every row, in the table's order.

    Raises:
        CorpusError: The table cannot be read.
    """
    folder = need_folder(folder, "FriendsPersona", LAYOUT)
    return [
        offer(_name(number, row), name_character(config, row), partial(_describe, config, _name(number, row), row))
        for number, row in enumerate(read_rows(folder / TABLE, FORM))
    ]


def name_character(config: FriendspersonaConfig, row: Row) -> str:
    """Return the id of the character a row is about: the same in all seasons."""
    return config.same_character.get(row["character"], row["character"])


def strip_html(text: str) -> str:
    """Return a scene without its heading and markup, a line an utterance: `Monica Geller: Oh my God!`."""
    body = BREAK.sub("\n", HEADING.sub("", text, count=1))
    return unescape(TAG.sub("", body)).strip()


def _name(number: int, row: Row) -> str:
    return f"{TABLE}/{number}-{row['scene_id']}"


def _describe(config: FriendspersonaConfig, path: str, row: Row) -> Utterance:
    heading = HEADING.match(row["text"])
    if heading is None:
        raise UnusableFileError(path, "unknown heading", "a text begins with its scene and whom it is about")
    if heading["character"] != row["character"]:
        found = f"its heading is about {heading['character']!r}, its row about {row['character']!r}"
        raise UnusableFileError(path, "contradicts its row", found)
    who = re.sub(r"\W+", "-", row["character"].lower()).strip("-")
    return draft(
        config,
        f"friends-{heading['window']}-{who}",
        name_character(config, row),
        session_id=f"friends-{row['scene_id']}",
        text=read_text(strip_html(row["text"]), path, "the column text"),
        traits={trait: look_up(config.scores, row[name], path, name) for trait, name in TRAIT_COLUMNS.items()},
    )


READER = CorpusReader(
    name="friendspersona",
    title="FriendsPersona: television dialogues, Big Five of a character as high or low; words only",
    tasks=("personality",),
    licence="not stated, research",
    layout=LAYOUT,
    parallel_texts=False,
    config_model=FriendspersonaConfig,
    locate=locate,
    list_candidates=list_candidates,
    size="711 dialogues, 98 characters, words only",
)
