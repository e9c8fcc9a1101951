"""Every kind of corruption is caught by the check it should be, with its column and its rows; sound data pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.corruption import Corruption, Planted, Row, read_dataset, write_corrupted
from tests.faults.corruption_kinds import CORRUPTIONS
from tests.soak import WHOLE, in_soak
from voxloop.adapters.expectation_run import ExpectationRun
from voxloop.adapters.great_expectations import judge_dataset
from voxloop.adapters.validation_previous import Previous, read_previous
from voxloop.adapters.validation_report import Found, ValidationReport
from voxloop.adapters.validation_rows import read_rows
from voxloop.adapters.validation_suite import SuiteConfig
from voxloop.config import find_config, load_config
from voxloop.data.manifest import load_manifest
from voxloop.data.profile import profile_table
from voxloop.data.schema import TRAITS
from voxloop.jobs.ingest import ingest
from voxloop.settings import Settings
from voxloop.verdict import Verdict

AT = "recorded_at.at=2026-06-01T00:00:00Z"
SMALL = (
    "world.home.speakers=10",
    "split.table={home-0000: train, home-0001: train, home-0002: train, home-0003: dev, home-0004: test}",
)
CLEAN = {
    "the base": (),
    "newcomers and noise": ("world.newcomers.speakers=8", "world.newcomers.noise_db=[-30.0, -20.0]"),
    "another seed": ("world.seed=7",),
    "by telephone": ("world.home.telephone_share=1.0",),
}
TASKS = ("asr", "emotion", "personality")
pytestmark = pytest.mark.slow
ELSEWHERE = in_soak("it falls on other rows below")


@pytest.fixture(scope="module")
def make_world(
    tmp_path_factory: pytest.TempPathFactory, module_settings: Settings
) -> Callable[[tuple[str, ...]], Path]:
    """Return how to make a small world of speakers, in every split, with traits."""

    def make(overrides: tuple[str, ...]) -> Path:
        folder = tmp_path_factory.mktemp("world")
        plain = ingest(out=folder / "plain", overrides=(*SMALL, *overrides))
        return write_corrupted(Planted(_with_traits(read_dataset(plain))), plain, folder / "world")

    return make


@pytest.fixture(scope="module")
def world(make_world: Callable[[tuple[str, ...]], Path]) -> Path:
    return make_world(())


@pytest.fixture(scope="module")
def rows(world: Path) -> list[Row]:
    return read_dataset(world)


def judge(dataset: Path, task: str, previous: Previous | None = None) -> ValidationReport:
    config = load_config(SuiteConfig, find_config("validation", task), (AT,))
    run = ExpectationRun(task, config.failing_rows)
    report, _ = judge_dataset(dataset, config, run, previous or read_previous(None))
    return report


def accepted(dataset: Path) -> Previous:
    """Return a dataset as the one accepted last."""
    table = read_rows(dataset, load_manifest(dataset)).table
    return Previous(profile_table(table), "the sound world")


def objections(report: ValidationReport) -> list[Found]:
    return [one for one in report.expectations if one.verdict is not Verdict.PASS]


@pytest.mark.parametrize(
    "corruption",
    [pytest.param(one, id=one.name, marks=[ELSEWHERE] if one.by_row else []) for one in CORRUPTIONS],
)
def test_a_corruption_is_caught_by_name(
    corruption: Corruption, world: Path, rows: list[Row], tmp_path: Path, fault_seed: int
) -> None:
    draw = random.Random(f"{fault_seed}/{corruption.name}")  # noqa: S311 - faults, not secrets
    skip_most_variations(corruption, draw)
    catch(corruption, world, rows, tmp_path / "spoilt", draw)


@pytest.mark.parametrize("corruption", [one for one in CORRUPTIONS if one.by_row], ids=lambda one: one.name)
def test_a_corruption_is_caught_wherever_it_falls(
    corruption: Corruption, world: Path, rows: list[Row], tmp_path: Path, fault_seed: int, module_settings: Settings
) -> None:
    skip_most_variations(corruption, random.Random(f"{fault_seed}/{corruption.name}"))  # noqa: S311 - faults, not secrets
    trials = module_settings.trial_count(20) if WHOLE else 1
    for trial in range(trials):
        draw = random.Random(f"{fault_seed}/{corruption.name}/{trial}")  # noqa: S311 - faults, not secrets
        catch(corruption, world, rows, tmp_path / str(trial), draw)


def skip_most_variations(corruption: Corruption, draw: random.Random) -> None:
    """Of what is much like another corruption half is left, others with each commit; `make soak` has them all."""
    if corruption.variation and not WHOLE and draw.random() >= 0.5:
        pytest.skip("much like another one: not drawn for this commit, in `make soak` always")


def catch(corruption: Corruption, world: Path, rows: list[Row], folder: Path, draw: random.Random) -> None:
    planted = corruption.plant(rows, draw)
    dataset = write_corrupted(planted, world, folder)
    report = judge(dataset, corruption.task, accepted(world) if corruption.compared else None)
    assert report.verdict is Verdict(corruption.verdict), "\n".join(report.lines())
    by_it = [one for one in objections(report) if corruption.check in one.check and one.column == corruption.column]
    assert by_it, "\n".join(report.lines())
    named = {row for one in by_it for row in one.rows}
    if corruption.by_row:
        assert planted.named
        assert planted.named <= named
        assert max(one.unexpected or 0 for one in by_it) >= len(planted.named)
    assert any(corruption.check in line for line in report.lines())


@pytest.mark.parametrize("kind", list(CLEAN))
def test_sound_data_pass_alone_and_beside_the_base(
    kind: str, make_world: Callable[[tuple[str, ...]], Path], world: Path
) -> None:
    dataset = make_world(CLEAN[kind])
    for task in TASKS if kind == "the base" else ("emotion",):
        alone = judge(dataset, task)
        assert objections(alone) == []
        beside = judge(dataset, task, accepted(world))
        assert objections(beside) == [], "\n".join(beside.lines())
        assert len(beside.expectations) > len(alone.expectations) + 20


def test_there_are_enough_kinds() -> None:
    assert len({one.name for one in CORRUPTIONS}) == len(CORRUPTIONS) >= 80
    assert sum(not one.variation for one in CORRUPTIONS) >= 30


def _with_traits(rows: list[Row]) -> list[Row]:
    """Return the rows with traits that belong to the speaker, where the world gave none."""
    return [
        {**row, **{trait: float(index + len(row["speaker_id"]) % 3) for index, trait in enumerate(TRAITS)}}
        if row["openness"] is None
        else row
        for row in rows
    ]
