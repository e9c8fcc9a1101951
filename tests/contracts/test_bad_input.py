"""Bad input, as a user meets it: one line that names the thing and the remedy, exit code 2, nothing half-written."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import PORT_NAMES, free_ports
from tests.contracts.one_line import assert_one_line, run_voxloop

HEADER = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"


def no_such_path(folder: Path) -> Path:
    return folder / "nowhere"


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def text_named_ogg(folder: Path) -> Path:
    samples = folder / "nemo" / "samples"
    samples.mkdir(parents=True)
    (samples / "EB0_anger_1.ogg").write_text("not a sound", encoding="utf-8")
    row = "EB0_anger_1.ogg\tanger\tTak.\ttak\tEB0\tfemale\t27\n"
    (folder / "nemo" / "data.tsv").write_text(HEADER + row, encoding="utf-8")
    return folder / "nemo"


def no_transcripts(folder: Path) -> Path:
    samples = folder / "nemo" / "samples"
    samples.mkdir(parents=True)
    (samples / "EB0_anger_1.ogg").write_bytes(b"OggS")
    return folder / "nemo"


def a_file(folder: Path) -> Path:
    (folder / "corpus.txt").write_text("hello", encoding="utf-8")
    return folder / "corpus.txt"


@pytest.mark.parametrize(
    ("corpus", "named"),
    [
        (no_such_path, "nowhere"),
        (empty_folder, "empty"),
        (text_named_ogg, "EB0_anger_1.ogg"),
        (no_transcripts, "data.tsv"),
        (a_file, "corpus.txt"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_corpus_that_cannot_be_read(tmp_path: Path, corpus: Callable[[Path], Path], named: str) -> None:
    done = run_voxloop(
        tmp_path, "ingest", "--corpus", "nemo", "--path", str(corpus(tmp_path)), "--out", str(tmp_path / "o" / "x")
    )
    assert_one_line(done, named)
    assert list(tmp_path.glob("o/*")) == []
    assert list(tmp_path.glob("o/.*")) == []


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["ingest", "--out", "OUT", "--set", "speekers=3"], "did you mean 'speakers'"),
        (["ingest", "--out", "OUT", "--corpus", "nemmo"], "did you mean 'nemo'"),
        (["ingest", "--out", "OUT", "--corpus", "nemo"], "path"),
        (["train", "--dataset", "HERE", "--out", "OUT", "--set", "epoch=3"], "did you mean 'epochs'"),
        (["train", "--dataset", "HERE", "--out", "OUT", "--config", "smok"], "did you mean 'smoke'"),
        (["validate", "--dataset", "NOWHERE", "--out", "OUT"], "NOWHERE"),
        (["accept", "NOWHERE", "HERE", "HERE", "HERE", "OUT"], "NOWHERE"),
        (["accept", "HERE", "HERE", "HERE", "HERE", "OUT"], "manifest.json"),
        (["accept", "HERE", "HERE", "HERE"], "--poison"),
        (["card", "NOWHERE", "OUT"], "NOWHERE"),
        (["card", "HERE", "OUT"], "evaluation.json"),
        (["run", "training", "--set", "corpis=nemo"], "did you mean 'corpus'"),
        (["run", "trainin"], "training"),
        (["up", "--set", "ports.mlfow=1"], "did you mean 'ports.mlflow'"),
        (["demo", "--corpus", "nemo"], "--path"),
        (["demo", "--corpus", "nemo", "--path", "NOWHERE"], "NOWHERE"),
        (["simulate", "--seed", "1", "--days", "3"], "3 days"),
        (["ask", "emotion", "NOWHERE"], "NOWHERE"),
        (["ask", "emotion", "TEXT.wav"], "TEXT.wav"),
        (["ask", "emotions", "TEXT.wav"], "no task 'emotions'; the tasks are asr, emotion, personality"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_command_that_is_wrong(tmp_path: Path, command: list[str], named: str) -> None:
    (tmp_path / "TEXT.wav").write_text("not a sound", encoding="utf-8")
    places = {"OUT": "o/x", "HERE": ".", "NOWHERE": "NOWHERE", "TEXT.wav": "TEXT.wav"}
    words = [str(tmp_path / places[word]) if word in places else word for word in command]
    assert_one_line(run_voxloop(tmp_path, *words), named)
    assert list(tmp_path.glob("o/*")) == []


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_named_with_the_setting_that_moves_it(tmp_path: Path, taken_port: int) -> None:
    # The other ports are not the usual ones: a platform may be up on the machine.
    others = [name for name in PORT_NAMES if name != "airflow"]
    free = [f"ports.{name}={port}" for name, port in zip(others, free_ports(len(others)), strict=True)]
    sets = [part for one in (*free, f"ports.airflow={taken_port}") for part in ("--set", one)]
    done = run_voxloop(tmp_path, "up", *sets)
    assert_one_line(done, str(taken_port), "ports.airflow")
