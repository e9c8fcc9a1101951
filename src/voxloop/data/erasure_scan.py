"""Where a speaker is: which files below a folder hold their rows, their sound or their words, by reading them.

Tables are asked by their columns, JSON by its strings, other text by its words, audio files by their names.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pyarrow.compute as pc

from voxloop.data.erasure_tables import is_about, mask_rows, read_columns, read_schema
from voxloop.data.erasure_words import PACKED, SOUNDS, TABLES, TEXTS, Names, kind_of, mentions
from voxloop.data.manifest import MANIFEST_NAME
from voxloop.errors import IntegrityError
from voxloop.store.digests import RECORD_NAME
from voxloop.store.sweep import DOOMED

__all__ = [
    "EXEMPT",
    "SOUNDS",
    "TEXTS",
    "Names",
    "find_links",
    "find_utterances",
    "holds",
    "mask_rows",
    "mentions",
    "walk_files",
]

SPEAKERS_NAME = "speakers.json"
REPORT_NAME = "report.html"
EXEMPT = (RECORD_NAME, MANIFEST_NAME, SPEAKERS_NAME, "result.json", "pipeline.yaml", "tombstones.json")
"""Digests, configurations and the list of whom a model learnt from: they may hold the id, never an utterance.
Without that list nobody could say which models to look at."""


def walk_files(root: Path, skip: Collection[Path] = ()) -> Iterator[Path]:
    """Yield every file below `root` in a fixed order, not what is below the folders `skip` or already doomed.

    Linked folders are walked too, each real folder once and under the name it has below `root`.
    """
    for here, names in _walk(root, skip, []):
        yield from (here / name for name in names)


def find_links(root: Path, skip: Collection[Path] = ()) -> list[Path]:
    """Return the linked folders below `root` that `walk_files` walks."""
    links: list[Path] = []
    for _ in _walk(root, skip, links):
        pass
    return links


def find_utterances(files: Iterable[Path], speaker: str) -> frozenset[str]:
    """Return the ids of a speaker's utterances, from every table that names both; `holds` names one nobody can read."""
    found: set[str] = set()
    for path in files:
        try:
            if kind_of(path.name) in TABLES and {"speaker_id", "utterance_id"} <= set(read_schema(path).names):
                table = read_columns(path, ["speaker_id", "utterance_id"])
                found |= set(table.filter(pc.equal(table["speaker_id"], speaker))["utterance_id"].to_pylist())
        except IntegrityError:
            continue
    return frozenset(found - {None})


def holds(path: Path, names: Names) -> bool:
    """Return whether a file holds a row, a recording or a mention of the speaker.

    Raises:
        IntegrityError: It cannot be read.
    """
    if path.name in EXEMPT or (path.is_symlink() and not path.exists()) or _is_page(path):
        return False
    kind = kind_of(path.name)
    if kind in TABLES:
        return is_about(path, names)
    if kind in SOUNDS:
        stem = path.name[: path.name.lower().rindex(kind)]
        return any(stem == name or stem.endswith(f"-{name}") for name in names.utterances)
    if kind not in TEXTS:
        return False
    text = read_text(path)
    if kind == ".jsonl":
        return any(mentions(line, names, is_json=True) for line in text.splitlines())
    return mentions(text, names, is_json=kind == ".json")


def read_text(path: Path) -> str:
    """Return the text of a file, packed or not.

    Raises:
        IntegrityError: It cannot be read or unpacked.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.name.lower().endswith(PACKED) else content
    except (OSError, EOFError, zlib.error) as unreadable:
        raise IntegrityError(
            f"{path} cannot be read ({str(unreadable)[:100]})",
            rule="whom it holds cannot be known",
            remedy="remove it, or mend it, and run `voxloop erase` again",
        ) from None
    return content.decode(errors="replace")


def _walk(root: Path, skip: Collection[Path], links: list[Path]) -> Iterator[tuple[Path, list[str]]]:
    """Yield folders with their files: the real ones below `root` first, then those behind links, which are noted.

    What holds `root` is never walked: a link up there would make everything beside it ours.
    """
    seen = {root.resolve(), *root.resolve().parents, *(one.resolve() for one in skip)}
    waiting = [root]
    for top in waiting:
        if top is not root and not _is_new(top, seen):
            continue
        links += [top] if top is not root else []
        for folder, folders, files in os.walk(top):
            here = Path(folder)
            below = sorted(one for one in folders if here / one not in skip and not one.startswith(DOOMED))
            waiting += [here / one for one in below if (here / one).is_symlink()]
            folders[:] = [one for one in below if not (here / one).is_symlink() and _is_new(here / one, seen)]
            yield here, sorted(files)


def _is_new(folder: Path, seen: set[Path]) -> bool:
    real = folder.resolve()
    if real in seen:
        return False
    seen.add(real)
    return True


def _is_page(path: Path) -> bool:
    """Return whether it is a dataset's own page: made anew with its dataset, and it may print a configuration."""
    return path.name == REPORT_NAME and (path.parent / MANIFEST_NAME).is_file()
