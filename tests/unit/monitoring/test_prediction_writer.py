from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from tests.soak import in_soak
from tests.unit.monitoring.predictions import make_prediction, make_tone, open_log
from voxloop.monitoring.prediction_writer import PredictionLog
from voxloop.settings import get_settings
from voxloop.speech.sound_embedding import embed_sound
from voxloop.speech.waveform import decode_flac


def read_rows(home: Path) -> list[dict[str, object]]:
    """Return every row there is, as pyarrow alone reads it."""
    return [row for path in find_files(home) for row in pq.read_table(path, partitioning=None).to_pylist()]


def find_files(home: Path) -> list[Path]:
    return sorted(path for path in (home / "predictions").glob("*/*/*/*.parquet") if not path.name.startswith("."))


def read_notes(home: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((home / "predictions" / "losses").glob("*/*.json"))]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@contextmanager
def logging_to(home: Path, **changes: object) -> Iterator[PredictionLog]:
    log = open_log(home, **changes)
    log.start()
    try:
        yield log
    finally:
        log.stop()


def test_everything_that_was_taken_is_written_at_the_end(tmp_path: Path) -> None:
    with logging_to(tmp_path, batch_seconds=100.0) as log:
        for number in range(120):
            log.take(make_prediction(number, family="asr" if number % 3 else "emotion", answer={"text": "ja"}))
    assert sorted(str(row["request_id"]) for row in read_rows(tmp_path)) == [f"{n:032x}" for n in range(120)]
    assert (log.tally().written, log.tally().lost, log.warnings()) == (120, {}, [])
    files = find_files(tmp_path)
    assert {path.relative_to(tmp_path / "predictions").parts[:3] for path in files} == {
        (family, "2026-11-29", hour) for family in ("asr", "emotion") for hour in ("09", "10")
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE((tmp_path / "predictions").stat().st_mode) == 0o700
    assert list((tmp_path / "predictions" / "writers").iterdir()) == []
    assert read_notes(tmp_path) == []


def test_few_rows_are_written_in_time_too(tmp_path: Path) -> None:
    with logging_to(tmp_path) as log:
        log.take(make_prediction(1))
        wait_for(lambda: len(read_rows(tmp_path)) == 1)


def test_a_sound_is_measured_and_kept_with_consent_alone(tmp_path: Path) -> None:
    tone = make_tone()
    with logging_to(
        tmp_path, batch_seconds=100.0, drain_seconds=300.0
    ) as log:  # its end waits for the measuring process
        log.take(make_prediction(1, waveform=tone, duration_s=1.0))
        log.take(make_prediction(2, waveform=tone, duration_s=1.0, consent=True))
        log.take(make_prediction(3, waveform=tone, duration_s=1.0, features={"f0_mean_hz": 1.5}))
        log.take(make_prediction(4, consent=True))
    silent, kept, measured, words = sorted(read_rows(tmp_path), key=lambda row: str(row["request_id"]))
    assert silent["audio"] is None
    assert silent["is_measured"]
    assert silent["f0_mean_hz"] == pytest.approx(160, abs=2)
    assert silent["duration_s"] == 1.0
    audio = kept["audio"]
    assert isinstance(audio, bytes)
    assert np.array_equal(np.rint(decode_flac(audio) * 32_768).astype(np.int16), tone)
    assert measured["f0_mean_hz"] == 1.5
    assert silent["snr_db"] == measured["snr_db"] is not None
    assert silent["embedding"] == measured["embedding"]
    heard = embed_sound((tone / 32_768).astype(np.float32))
    assert heard is not None
    assert silent["embedding"] == heard.tolist()
    assert words["embedding"] is None
    assert (words["is_measured"], words["audio"], words["duration_s"]) == (False, None, None)
    assert log.tally().unmeasured == 0


def test_sound_without_room_is_let_go_and_its_row_is_not(tmp_path: Path) -> None:
    with logging_to(tmp_path, sound_mebibytes=1, drain_seconds=1.0) as log:
        for number in range(20):  # 20 s, 0.6 MiB each: faster than they are measured
            log.take(make_prediction(number, waveform=make_tone(20), duration_s=20.0, consent=True))
    rows = read_rows(tmp_path)
    assert len(rows) == 20
    unmeasured = [row for row in rows if not row["is_measured"]]
    assert unmeasured
    assert log.tally().unmeasured == len(unmeasured)
    assert all(row["duration_s"] == 20.0 for row in rows)
    assert any(row["audio"] is None for row in rows)


def test_rows_do_not_wait_for_a_measuring_process_that_is_not_there(tmp_path: Path) -> None:
    """It starts for seconds, and may be killed: neither holds a row up."""
    began = time.monotonic()
    with logging_to(tmp_path) as log:
        log.take(make_prediction(1, waveform=make_tone(), duration_s=1.0))
        wait_for(lambda: len(read_rows(tmp_path)) == 1, seconds=20)
        wait_for(lambda: bool(find_measurers()), seconds=120)
        for process in find_measurers():
            process.kill()
        for number in (2, 3, 4):
            log.take(make_prediction(number, waveform=make_tone(), duration_s=1.0))
            wait_for(lambda number=number: len(read_rows(tmp_path)) == number, seconds=20)  # type: ignore[misc]
    assert time.monotonic() - began < 200
    assert all((row["snr_db"] is not None) == row["is_measured"] for row in read_rows(tmp_path))


def find_measurers() -> list[psutil.Process]:
    """Return the workers below this process' forkserver; what else it has started, such as MLflow, is left alone."""
    servers = [child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]
    return [worker for server in servers for worker in server.children()]


def test_a_full_queue_loses_rows_counts_them_and_writes_that_down(tmp_path: Path) -> None:
    log = open_log(tmp_path, queue_rows=10)
    for number in range(25):  # before its thread begins
        log.take(make_prediction(number))
    assert log.tally().lost == {"queue full": 15}
    log.start()
    wait_for(lambda: len(read_rows(tmp_path)) == 10)
    wait_for(lambda: bool(read_notes(tmp_path)))
    log.stop()
    (note,) = read_notes(tmp_path)
    assert (note["rows"], note["why"]) == (15, {"queue full": 15})
    assert log.warnings() == ["15 predictions were not logged: 15 queue full"]
    assert list((tmp_path / "predictions" / "writers").iterdir()) == []


def test_a_row_that_fits_no_column_costs_itself_alone(tmp_path: Path) -> None:
    with logging_to(tmp_path) as log:
        for answer in ({"text": "ja"}, {"emotion": 5}, {"text": "", "confidence": float("nan")}, {"text": "nein"}):
            log.take(make_prediction(1, answer=answer))
    assert len(read_rows(tmp_path)) == 2
    assert log.tally().lost == {"unfit": 2}
    assert sum(int(str(note["rows"])) for note in read_notes(tmp_path)) == 2


def test_a_place_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "predictions"
    place.write_text("in the way")
    with logging_to(tmp_path, queue_rows=30) as log:
        for number in range(40):
            log.take(make_prediction(number))
        assert "exists" in log.trouble.lower()
        assert any("predictions" in warning for warning in log.warnings())
        place.unlink()
        wait_for(lambda: len(read_rows(tmp_path)) == 30)
        wait_for(lambda: log.trouble == "")
    assert log.tally().lost == {"queue full": 10}
    assert [note["rows"] for note in read_notes(tmp_path)] == [10]


def test_at_an_end_without_a_place_the_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "predictions").write_text("in the way")
    with logging_to(tmp_path) as log:
        for number in range(7):
            log.take(make_prediction(number))
    assert log.tally().lost == {"unwritable": 7}


@contextmanager
def full_disk(most: int) -> Iterator[None]:
    """Let no file of this process grow beyond some bytes: a write ends with an OSError, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_rows_wait_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    with logging_to(tmp_path) as log:
        with full_disk(1_000):
            for number in range(20):
                log.take(make_prediction(number))
            wait_for(lambda: "large" in log.trouble)
            assert read_rows(tmp_path) == []
        wait_for(lambda: len(read_rows(tmp_path)) == 20)
    assert log.tally().lost == {}
    assert [path for path in (tmp_path / "predictions").rglob(".*") if path.is_file()] == []


def test_two_writers_in_one_place_do_not_bury_each_other(tmp_path: Path) -> None:
    with logging_to(tmp_path) as one, logging_to(tmp_path) as other:
        one.take(make_prediction(1))
        other.take(make_prediction(2))
    assert len(read_rows(tmp_path)) == 2
    assert (one.tally().lost, other.tally().lost, read_notes(tmp_path)) == ({}, {}, [])


@in_soak("the gateway itself is killed in services")
@pytest.mark.slow  # a process a trial
def test_a_kill_costs_at_most_the_last_batch_and_the_next_start_counts_it(tmp_path: Path) -> None:
    """Judged by pyarrow alone: rows in files and rows counted as lost make up what was taken."""
    batch = 40
    for trial in range(max(3, get_settings().trial_count(100))):
        home = tmp_path / str(trial)
        home.mkdir()
        taken, before = kill_a_writer(home, batch, after=30 + 23 * (trial % 9)), len(read_rows(home))
        with logging_to(home) as log:
            lost = log.tally().lost.get("killed", 0)
        assert len(read_rows(home)) == before
        assert taken <= before + lost <= taken + 1, (trial, taken, before, lost)  # killed between taking and telling
        assert lost <= 2 * batch, "the batch that is pending and what came while another was written"
        assert sum(int(str(note["rows"])) for note in read_notes(home)) == lost
        assert list((home / "predictions" / "writers").iterdir()) == []
        with logging_to(home) as again:
            assert again.tally().lost == {}


def kill_a_writer(home: Path, batch: int, *, after: int) -> int:
    """Return how many rows a writer said it had taken when it was killed."""
    argv = [sys.executable, "-m", "tests.unit.monitoring.predictions", str(home), str(batch)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= after:
            os.kill(process.pid, signal.SIGKILL)
            break
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    return int(rest[-1]) if rest else after


def test_a_journal_that_says_nothing_is_a_loss_nobody_can_count(tmp_path: Path) -> None:
    writers = tmp_path / "predictions" / "writers"
    writers.mkdir(parents=True)
    (writers / "20261129T095930-0123abcd.journal").write_bytes(b"short")
    with logging_to(tmp_path):
        pass
    assert [note["rows"] for note in read_notes(tmp_path)] == [None]
