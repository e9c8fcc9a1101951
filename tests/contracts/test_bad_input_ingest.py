"""What `voxloop ingest` cannot read, as a user meets it: one line, exit code 2, nothing written and nothing left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.hostile_archives import HOSTILE
from tests.fixtures.tiny_nemo import write_tiny_nemo

VOXLOOP = Path(sys.executable).with_name("voxloop")
BY_NAME = {hostile.name: hostile for hostile in HOSTILE}


def hostile(name: str) -> Callable[[Path], Path]:
    """Return a builder of one hostile archive."""

    def build(folder: Path) -> Path:
        BY_NAME[name].build(folder / name)
        return folder / name

    return build


def link_out(folder: Path) -> Path:
    nemo = write_tiny_nemo(folder / "nemo", sentences=1)
    (nemo / "samples" / "passwd.ogg").symlink_to("/etc/passwd")
    return nemo


def another_corpus(folder: Path) -> Path:
    (folder / "inside").mkdir()
    (folder / "inside" / "notes.txt").write_text("no corpus")
    return Path(shutil.make_archive(str(folder / "notes"), "gztar", folder, "inside"))


def lying_header(folder: Path) -> Path:
    """Return a corpus in which one file says it holds 2 GiB of sound."""
    nemo = write_tiny_nemo(folder / "nemo", sentences=1)
    sound = next((nemo / "samples").glob("*anger*"))
    sound.write_bytes(
        b"RIFF" + (36 + 2**31 - 44).to_bytes(4, "little") + b"WAVEfmt " + bytes(20) + b"data" + b"\xff" * 4
    )
    return nemo


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (hostile("climbing.tar"), "leads out of the folder"),
        (hostile("bomb.tar.gz"), "MiB"),
        (hostile("link.zip"), "link"),
        (hostile("truncated.tar"), "ends within"),
        (link_out, "passwd.ogg is a link to /etc/passwd"),
        (another_corpus, "has no data.tsv"),
        (lying_header, "truncated"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_it_is_one_line_and_nothing_is_left(tmp_path: Path, build: Callable[[Path], Path], told: str) -> None:
    (tmp_path / "in").mkdir()
    source = build(tmp_path / "in")
    command = [str(VOXLOOP), "ingest", str(source), "--corpus", "nemo", "--out", str(tmp_path / "o" / "x")]
    environment = {**os.environ, "VOXLOOP_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert told in done.stderr, done.stderr
    assert done.stderr.count("; ") >= 2, "no rule and no remedy"
    assert list((tmp_path / "o").glob("*")) == []
    assert list((tmp_path / "o").glob(".*")) == []
    assert not (tmp_path / "home" / "scratch").exists()
