"""Results nobody here can read, known by their record: what was made from data of a speaker may hold them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path

from voxloop.data.erasure_scan import SPEAKERS_NAME, walk_files
from voxloop.data.erasure_words import SOUNDS, TABLES, TEXTS, kind_of
from voxloop.store.digests import RECORD_NAME, digest_json, digest_tree

VOICELESS = (".onnx", ".safetensors", ".data", ".png", ".svg", ".pbtxt")
"""Kinds of files of ours that are not read: weights, curves and the configuration of a server."""


def find_derived(files: Iterable[Path], held: Collection[str]) -> list[Path]:
    """Return the folders of results that were made, in one step or several, from what held the speaker.

    Only those with a file nobody can read: the others were read. Whatever lies beside the list of whom a model learnt
    from stays: what it learnt cannot be taken out.

    Args:
        files: Where to look; the records among them are read.
        held: Digests of the datasets and results that held the speaker.
    """
    sources = {*held}
    opaque = [path.parent for path in files if held and path.name == RECORD_NAME and _is_opaque(path.parent)]
    found: list[Path] = []
    while more := [folder for folder in opaque if folder not in found and not sources.isdisjoint(_inputs(folder))]:
        found += more
        sources |= {digest_result(folder) for folder in more}
    return found


def digest_result(folder: Path) -> str:
    """Return the digest by which records of later steps name a folder: of the outputs it was made with."""
    listed = _read_record(folder).get("outputs")
    return digest_json(listed) if isinstance(listed, dict) else digest_tree(folder)


def _is_opaque(folder: Path) -> bool:
    """Return whether a result holds a file of a kind that is neither read nor known to hold no voice."""
    names = [path.name for path in walk_files(folder)]
    known = {*TEXTS, *SOUNDS, *TABLES, *VOICELESS}
    return SPEAKERS_NAME not in names and any(kind_of(name) not in known for name in names)


def _inputs(folder: Path) -> set[str]:
    inputs = _read_record(folder).get("inputs")
    return {one for one in inputs.values() if isinstance(one, str)} if isinstance(inputs, dict) else set()


def _read_record(folder: Path) -> dict[str, object]:
    try:
        content = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
