"""Which table a family's rows are completed from."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxloop.data.known_features import find_table
from voxloop.errors import InputError
from voxloop.store.job_store import run_step

pytestmark = pytest.mark.usefixtures("home")


def run_features(tmp_path: Path, step: str = "features", name: str = "utterance_prosody") -> Path:
    """Return what a step has written: one table, by name."""

    def write(folder: Path) -> None:
        (folder / f"{name}.parquet").write_bytes(b"table")

    return run_step(step, inputs={}, config={}, out=tmp_path / "out", work=write)


def test_a_family_takes_the_table_it_reads(tmp_path: Path) -> None:
    folder = run_features(tmp_path)
    assert find_table(folder, "utterance_prosody") == folder / "utterance_prosody.parquet"
    assert find_table(folder, None) is None


def test_without_sound_there_is_no_table_to_take(tmp_path: Path) -> None:
    assert find_table(run_features(tmp_path, name="utterance_words"), "utterance_prosody") is None


def test_a_table_that_is_named_is_taken_by_every_family(tmp_path: Path) -> None:
    table = tmp_path / "own.parquet"
    table.write_bytes(b"table")
    assert {find_table(table, name) for name in ("utterance_prosody", None)} == {table}
    assert find_table(None, "utterance_prosody") is None


@pytest.mark.parametrize("what", ["nowhere", "another step", "any folder"])
@pytest.mark.parametrize("table", ["utterance_prosody", None])
def test_what_holds_no_features_is_refused_by_every_family(tmp_path: Path, what: str, table: str | None) -> None:
    place = tmp_path / "nowhere"
    if what == "another step":
        place = run_features(tmp_path, step="validate")
    elif what == "any folder":
        place.mkdir()
        (place / "utterance_prosody.parquet").write_bytes(b"table")
    with pytest.raises(InputError, match="is no file, nor a folder of features"):
        find_table(place, table)


def test_the_tables_that_families_name_are_written() -> None:
    from voxloop.adapters.feast_offline import SCHEMAS
    from voxloop.tasks import get_task, task_names

    assert {get_task(name).FEATURES for name in task_names()} - {None} <= set(SCHEMAS)
