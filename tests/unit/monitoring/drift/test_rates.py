"""How often the quick check is wrong, and how often it sees a shift: counted. `-s` prints the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.monitoring.drift.worlds import CONFIG, SHIFTED, make_reference, make_window
from voxloop.monitoring.drift.check import Judgement, Outcome, check_window
from voxloop.monitoring.drift.profile import Profile
from voxloop.settings import Settings

WINDOWS = 200
FEWEST = 12
"""Of windows, where a run has not the time for all."""
Sizes = np.ndarray
EVEN, UNEVEN, UNMEASURED = "even", "uneven", "of nine in ten rows nothing is measured"


def count_windows(settings: Settings) -> int:
    return max(FEWEST, settings.trial_count(WINDOWS))


def draw_sizes(generator: np.random.Generator, speakers: int, kind: str) -> Sizes:
    if kind != UNEVEN:
        return np.full(speakers, 50)
    return np.maximum(1, generator.lognormal(3.2, 1.0, speakers)).astype(np.int64)


def judge(
    reference: Profile, count: int, speakers: int, *, correlation: float, shift: float = 0.0, kind: str = EVEN
) -> list[Judgement]:
    generator = np.random.default_rng(7)
    judged = []
    for _ in range(count):
        sizes = draw_sizes(generator, speakers, kind)
        left = 0.9 if kind == UNMEASURED else 0.0
        window = make_window(reference, generator, sizes, correlation=correlation, shift=shift, unmeasured=left)
        judged.append(check_window(reference, window, CONFIG.model_copy(update={"least_rows": 20})))
    return judged


def count_drift(judged: list[Judgement]) -> int:
    assert all(one.outcome is not Outcome.CANNOT_TELL for one in judged)
    return sum(one.outcome is Outcome.DRIFT for one in judged)


@pytest.mark.parametrize("kind", [EVEN, UNEVEN, UNMEASURED])
@pytest.mark.parametrize("speakers", [10, 40])
def test_false_alarms_stay_near_the_nominal_share(settings: Settings, speakers: int, kind: str) -> None:
    count = count_windows(settings)
    wrong = count_drift(judge(make_reference(1, 400, correlation=0.3), count, speakers, correlation=0.3, kind=kind))
    print(f"\n{wrong} of {count} windows of {speakers} speakers ({kind}): false alarms")
    assert wrong <= 0.05 * count


def test_rows_taken_for_independent_would_cry_wolf(settings: Settings) -> None:
    """What the check is for: were every row its own speaker, hardly a window would be left in peace."""
    reference = split_speakers(make_reference(1, 400, correlation=0.3, rows=5))
    generator = np.random.default_rng(7)
    windows = [make_window(reference, generator, np.full(40, 50), correlation=0.3) for _ in range(10)]
    judged = [check_window(reference, split_speakers(window), CONFIG) for window in windows]
    assert count_drift(judged) == 10


def split_speakers(profile: Profile) -> Profile:
    """Return the profile as if every row were of another speaker: columns no longer hang together, counts are the same."""
    bins, parts = [column.bins for column in profile.columns], []
    starts = np.cumsum([0, *bins])
    for start, width in zip(starts[:-1], bins, strict=True):
        total = profile.counts[:, start : start + width].sum(axis=0)
        parts.append(np.eye(width, dtype=np.int64)[np.repeat(np.arange(width), total)])
    counts = np.concatenate(parts, axis=1)
    names = tuple(f"row {number:06d}" for number in range(len(counts)))
    return replace(profile, speakers=names, rows=np.ones(len(counts), dtype=np.int64), counts=counts)


@pytest.mark.parametrize(
    ("correlation", "speakers", "least"),
    [(0.0, 40, 0.95), (0.3, 40, None), (0.3, 160, 0.95), (0.3, 320, 0.95)],
)
def test_a_shift_of_a_fifth_of_a_deviation_is_seen_where_it_can_be(
    settings: Settings, correlation: float, speakers: int, least: float | None
) -> None:
    """With 40 speakers of correlation 0.3 their mean strays by 0.09: a shift of 0.2 often looks like other people."""
    count = count_windows(settings)
    judged = judge(
        make_reference(2, 2_000, correlation=correlation), count, speakers, correlation=correlation, shift=0.2
    )
    beyond = (one for window in judged for one in window.findings if one.is_beyond and one.column == SHIFTED)
    seen, by = count_drift(judged), Counter(one.measure for one in beyond)
    print(f"\n{seen} of {count} windows of {speakers} speakers, correlation {correlation}: seen, by {dict(by)}")
    assert least is None or seen >= least * count
