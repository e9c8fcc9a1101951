"""The publish act without Feast: which folder it takes, and which moments it reads."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from voxloop.errors import InputError
from voxloop.jobs.publish import _read_moment, find_newest
from voxloop.store.digests import RECORD_NAME
from voxloop.store.job_store import run_step

if TYPE_CHECKING:
    from voxloop.settings import Settings


def keep(settings: Settings, out: Path, number: int, finished: int) -> Path:
    """Put a result of the step features into the job store, finished at a second of our choice."""

    def work(folder: Path) -> None:
        (folder / "speaker_words.parquet").write_text(str(number))

    before = set((settings.store / "features").glob("*"))
    run_step("features", inputs={}, config={"number": number}, out=out / str(number), work=work)
    (kept,) = set((settings.store / "features").glob("*")) - before
    os.utime(kept / RECORD_NAME, (finished, finished))
    return kept


def test_the_newest_whole_result_is_taken(settings: Settings, tmp_path: Path) -> None:
    assert find_newest() is None
    old = keep(settings, tmp_path, 1, finished=100)
    new = keep(settings, tmp_path, 2, finished=300)
    keep(settings, tmp_path, 3, finished=200)
    assert find_newest() == new
    new.chmod(0o755)
    (new / "speaker_words.parquet").chmod(0o644)
    (new / "speaker_words.parquet").write_text("changed since")
    os.utime(old / RECORD_NAME, (250, 250))
    assert find_newest() == old


def test_a_moment_has_a_time_zone() -> None:
    assert _read_moment("2026-02-01T00:00:00Z") == datetime(2026, 2, 1, tzinfo=UTC)
    assert _read_moment("2026-02-01T02:00:00+02:00").utcoffset() == timedelta(hours=2)
    for wrong in ("2026-02-01T00:00:00", "tomorrow", "2026-02-30"):
        with pytest.raises(InputError, match="is no moment"):
            _read_moment(wrong)
