"""Bad input to features-publish: one line that names the thing and the remedy, exit code 2, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.contracts.one_line import assert_one_line, run_voxloop


def no_such_folder(folder: Path) -> list[str]:
    return [str(folder / "nowhere")]


def no_features(folder: Path) -> list[str]:
    (folder / "dataset").mkdir()
    return [str(folder / "dataset")]


def text_named_parquet(folder: Path) -> list[str]:
    (folder / "f").mkdir()
    (folder / "f" / "speaker_words.parquet").write_text("not a table", encoding="utf-8")
    return [str(folder / "f")]


def other_columns(folder: Path) -> list[str]:
    (folder / "f").mkdir()
    pq.write_table(pa.table({"speaker_id": ["s"], "loudness": [1.0]}), folder / "f" / "speaker_prosody.parquet")
    return [str(folder / "f")]


def no_moment(folder: Path) -> list[str]:
    return [str(folder), "--online", "--at", "yesterday"]


def moment_without_zone(folder: Path) -> list[str]:
    return [str(folder), "--online", "--at", "2026-02-01T00:00:00"]


def unknown_store(folder: Path) -> list[str]:
    return [str(folder), "--set", "settings.online_store=postgres"]


def password_on_the_command_line(folder: Path) -> list[str]:
    return [str(folder), "--set", "settings.redis_password=hush"]


def remote_without_tls(folder: Path) -> list[str]:
    return [str(folder), "--set", "settings.online_store=redis", "--set", "settings.redis_address=redis.example:6379"]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (no_such_folder, "nowhere"),
        (no_features, "voxloop features"),
        (text_named_parquet, "speaker_words.parquet is not Parquet"),
        (other_columns, "loudness"),
        (no_moment, "'yesterday' is no moment"),
        (moment_without_zone, "time zone"),
        (unknown_store, "postgres"),
        (password_on_the_command_line, "VOXLOOP_REDIS_PASSWORD"),
        (remote_without_tls, "redis_tls"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_published(tmp_path: Path, make: Callable[[Path], list[str]], named: str) -> None:
    done = run_voxloop(tmp_path, "features-publish", *make(tmp_path))
    assert_one_line(done, named)
    assert "hush" not in done.stderr
    assert list((tmp_path / "home").glob("features/*.parquet")) == []
