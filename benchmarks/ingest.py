"""What ingest costs beyond the decoding: a folder of FLAC files against a plain loop that decodes, hashes and encodes.

Both run on one processor. The loop makes the same FLAC bytes with the same library calls and keeps nothing; ours also
checks headers, signatures and samples, isolates the decoder in another process, and writes shards, manifest and report.
The server that workers are forked from starts before the clock: it does so once a process, in about 0.7 s.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
import soundfile

from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.clips import draft, offer_clip
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader
from voxloop.data.ingestion import write_dataset
from voxloop.data.shards import read_manifest
from voxloop.data.splits import Shares, SplitConfig
from voxloop.speech.waveform import SAMPLE_RATE, encode_flac, to_int16

FILES = 2_400
ROUNDS = 4
TARGET = 1.3

CONFIG = CorpusConfig(
    source="benchmark",
    licence="CC0-1.0",
    language="en",
    recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
    split=SplitConfig(salt="b", shares=Shares(train=0.8, dev=0.1, test=0.1)),
)


def make_files(folder: Path) -> list[Path]:
    """Write utterances of the speaker world as FLAC files: 2.7 s of speech each."""
    reader = find_corpus("world")
    config = load_config(reader.config_model, find_config("corpora", "world"), ("world.home.speakers=100",))
    paths = []
    for number, candidate in enumerate(reader.list_candidates(config, None)[:FILES]):
        waveform = candidate.load().waveform
        assert waveform is not None
        paths.append(folder / f"{number:04d}.flac")
        paths[-1].write_bytes(encode_flac(waveform))
    return paths


def run_loop(paths: list[Path]) -> list[str]:
    """Decode, encode and hash every file, and return the digests."""
    digests = []
    for path in paths:
        samples, _ = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
        buffer = io.BytesIO()
        soundfile.write(buffer, to_int16(samples), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
        digests.append(hashlib.sha256(buffer.getvalue()).hexdigest())
    return digests


def run_ours(paths: list[Path]) -> list[str]:
    """Ingest the files into a folder and return the digests in its manifest."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        candidates = _list_candidates(paths)
        write_dataset(READER, candidates, CONFIG, Path(folder))
        return [str(digest) for digest in read_manifest(Path(folder), ["sha256"])["sha256"].to_pylist()]


def _list_candidates(paths: list[Path]) -> list[Candidate]:
    return [
        offer_clip(CONFIG, path.parent, path.name, None, partial(draft, CONFIG, path.stem, f"s{number % 20}"))
        for number, path in enumerate(paths)
    ]


READER = CorpusReader(
    name="benchmark",
    title="Files of the speaker world",
    tasks=(),
    licence="CC0-1.0",
    layout="*.flac",
    parallel_texts=False,
    config_model=CorpusConfig,
    locate=lambda path: path,
    list_candidates=lambda _config, _folder: [],
)


def measure() -> Finding:
    """Return the best of some rounds for each, taken in turn, on one processor."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        with tempfile.TemporaryDirectory() as folder:
            paths = make_files(Path(folder))
            if run_ours(paths) != run_loop(paths):
                raise AssertionError("ingest and the loop make different bytes")
            ours, loop = zip(*((_time(run_ours, paths), _time(run_loop, paths)) for _ in range(ROUNDS)), strict=True)
    finally:
        os.sched_setaffinity(0, before)
    return Finding("ingest: processor ms a file against decode, hash, encode", min(ours), min(loop), TARGET, "at most")


def _time(function: Callable[[list[Path]], object], paths: list[Path]) -> float:
    """Return the milliseconds of processor a file, of this process and of all it started."""
    started = _count_cpu_seconds()
    function(paths)
    return 1_000.0 * (_count_cpu_seconds() - started) / len(paths)


def _count_cpu_seconds() -> float:
    """Return what this process, its children and those that they have waited for have used so far.

    Time on the clock would depend on what else the machine does; on one processor without anything else both are one.
    """
    used = 0.0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
    return used


if __name__ == "__main__":
    print(measure().as_json())
