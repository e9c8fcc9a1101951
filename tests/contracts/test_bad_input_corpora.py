"""Bad corpora, as a user meets them: one line that names the thing and the remedy, exit code 2, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from voxloop.cli import run_command
from voxloop.data.corpora import CORPORA, find_corpus
from voxloop.settings import Settings

WITH_FOLDER = [name for name in CORPORA if find_corpus(name).locate is not None]


def no_such_path(_corpus: str, folder: Path) -> Path:
    return folder / "nowhere"


def an_empty_folder(_corpus: str, folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def a_file(_corpus: str, folder: Path) -> Path:
    (folder / "corpus.txt").write_text("hello", encoding="utf-8")
    return folder / "corpus.txt"


def another_layout(_corpus: str, folder: Path) -> Path:
    (folder / "corpus" / "notes").mkdir(parents=True)
    (folder / "corpus" / "readme.md").write_text("hello", encoding="utf-8")
    return folder / "corpus"


def no_audio_in_any_file(corpus: str, folder: Path) -> Path:
    """Return a whole corpus whose sounds, or whose words, are noise."""
    write: Callable[[Path], Path] = getattr(import_module(f"tests.fixtures.tiny_{corpus}"), f"write_tiny_{corpus}")
    place = write(folder / "corpus")
    for file in place.rglob("*"):
        if file.suffix in {".wav", ".flac", ".ogg", ".mp3"}:
            file.write_bytes(b"not a sound at all")
        elif corpus in {"youtube_personality", "essays", "friendspersona"} and file.is_file():
            file.write_bytes(b"\xff\xfe\x00 not a table")
    return place


@pytest.mark.parametrize("corpus", WITH_FOLDER)
@pytest.mark.parametrize(
    "wrong", [no_such_path, an_empty_folder, a_file, another_layout, no_audio_in_any_file], ids=lambda one: one.__name__
)
def test_a_corpus_that_cannot_be_read(
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    corpus: str,
    wrong: Callable[[str, Path], Path],
) -> None:
    place = wrong(corpus, tmp_path)
    code = run_command(["ingest", "--corpus", corpus, "--path", str(place), "--out", str(tmp_path / "o" / "x")])
    printed = capsys.readouterr()
    lines = printed.err.strip().splitlines()
    assert code == 2, printed.err
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("voxloop: ")
    assert len(lines[0].split("; ")) >= 2, "no rule and no remedy"
    if wrong is not no_audio_in_any_file:
        assert place.name in lines[0]
    assert list(tmp_path.glob("o/*")) == []
    assert list(tmp_path.glob("o/.*")) == []


@pytest.mark.parametrize(
    ("corpus", "override", "named"),
    [
        ("fsdd", "parts=[dev]", "parts"),
        ("mboshi", "parts=[test]", "parts"),
        ("ravdess", "fold=9", "no fold 9"),
        ("ravdess", "folds.1=[x]", "folds"),
        ("librispeech", "parts=[dev-dirty]", "no set dev-dirty"),
        ("commonvoice", "parts=[]", "parts"),
        ("lhotse", "read=all", "read"),
        ("emodb", "emotion.W=rage", "did you mean 'emotions"),
        ("cremad", "recorded_at=2014-10-01", "zone"),
    ],
)
def test_a_configuration_that_cannot_be(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: str, override: str, named: str
) -> None:
    write: Callable[[Path], Path] = getattr(import_module(f"tests.fixtures.tiny_{corpus}"), f"write_tiny_{corpus}")
    place = write(tmp_path / "corpus")
    out = tmp_path / "o" / "x"
    assert run_command(["ingest", "--corpus", corpus, "--path", str(place), "--out", str(out), "--set", override]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert named in message
    assert not out.exists()
