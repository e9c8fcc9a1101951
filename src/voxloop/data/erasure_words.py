"""What a speaker goes by, and whether a text speaks of them: ids are whole words, paths are taken apart."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from voxloop.data.report_markup import NAMED

TEXTS = (".json", ".jsonl", ".html", ".htm", ".txt", ".csv", ".tsv", ".md", ".log", ".yaml", ".yml")
SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".webm", ".raw", ".pcm", ".npy")
"""Files that hold one recording, or what was computed from one: their name says whose."""
TABLES = (".parquet", ".arrow")
PACKED = ".gz"
_BREAKS = re.compile(r"[\s\"'<>&;,(){}\[\]=|]+")
_PARTS = re.compile(r"[/\\:]+")
_DECLARED = re.compile(rf'<meta name="{NAMED}" content="([^"]*)"')
_SHORTEST_WORD = 3
"""A shorter id (`1`, `03`) is looked for in columns and JSON strings alone: as a word it would be found everywhere."""


@dataclass(frozen=True)
class Names:
    """What a speaker goes by: their id, and the ids of their utterances."""

    speaker: str
    utterances: frozenset[str]

    @property
    def words(self) -> frozenset[str]:
        """What is looked for among the words of a text."""
        return frozenset(name for name in (self.speaker, *self.utterances) if len(name) >= _SHORTEST_WORD)


def kind_of(name: str) -> str:
    """Return the suffix that says what a file is, in lower case and unpacked: `.jsonl` of `A.JSONL.gz`."""
    return PurePosixPath(name.lower().removesuffix(PACKED)).suffix


def mentions(text: str, names: Names, *, is_json: bool) -> bool:
    """Return whether a text names the speaker or one of their utterances; JSON is asked string by string.

    So is the JSON in which a page of ours declares whom it shows (`make_declaration`).
    """
    if is_json:
        try:
            said = set(_strings_in(json.loads(text)))
        except (ValueError, RecursionError):  # not JSON after all
            pass
        else:
            wanted = {names.speaker, *names.utterances}
            return not said.isdisjoint(wanted) or any(speaks_of(one, names.words) for one in said)
    declared = (html.unescape(found) for found in _DECLARED.findall(text))
    return speaks_of(html.unescape(text), names.words) or any(mentions(one, names, is_json=True) for one in declared)


def speaks_of(text: str, wanted: frozenset[str]) -> bool:
    """Return whether one of the words of a text, or a part of a path in it without its suffix, is wanted."""
    return any(not wanted.isdisjoint(_spellings(word)) for word in set(_BREAKS.split(text)))


def _spellings(word: str) -> Iterator[str]:
    """Yield what a word may name: `ann/ann-01.wav.` the file, `ann`, `ann-01.wav` and `ann-01`."""
    plain = word.strip(".:")
    yield plain
    for part in _PARTS.split(plain):
        yield part
        stem = part
        while kind_of(stem) in (*TEXTS, *SOUNDS, *TABLES):
            stem = stem[: stem.rindex(".", 0, -len(PACKED) if stem.lower().endswith(PACKED) else None)]
            yield stem


def _strings_in(value: object) -> Iterator[str]:
    """Yield every string of a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for part in parts:
        yield from _strings_in(part)
