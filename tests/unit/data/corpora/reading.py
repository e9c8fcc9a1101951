"""Reading a small corpus in a test: its rows by path, and why files were refused."""

from __future__ import annotations

from pathlib import Path

from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.reader import Candidate, UnusableFileError
from voxloop.data.schema import Utterance
from voxloop.speech.limits import UnusableAudioError


def list_corpus(name: str, place: Path, *overrides: str) -> list[Candidate]:
    """Return the candidates of a corpus, under its configuration with `overrides`."""
    reader = find_corpus(name)
    config = load_config(reader.config_model, find_config("corpora", name), overrides)
    assert reader.locate is not None
    return list(reader.list_candidates(config, reader.locate(place)))


def read_corpus(name: str, place: Path, *overrides: str) -> tuple[dict[str, Utterance], dict[str, str]]:
    """Load every candidate; return the utterances by path, and the reasons by the paths of those refused."""
    rows: dict[str, Utterance] = {}
    refused: dict[str, str] = {}
    for candidate in list_corpus(name, place, *overrides):
        try:
            rows[candidate.path] = candidate.load()
        except (UnusableFileError, UnusableAudioError) as error:
            refused[candidate.path] = error.reason
    return rows, refused


def replace_once(file: Path, old: str, new: str, encoding: str = "utf-8") -> None:
    """Change one place of a text file."""
    text = file.read_text(encoding=encoding)
    assert text.count(old) >= 1, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new, 1), encoding=encoding)
