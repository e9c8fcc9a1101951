from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from tests.unit.monitoring.drift.worlds import CONFIG, SHIFTED, make_reference, make_window
from voxloop.monitoring.drift.check import CheckConfig, Outcome, check_window, set_thresholds
from voxloop.monitoring.drift.columns import Coded, Column, fix_columns, place_values
from voxloop.monitoring.drift.draws import draw_distances
from voxloop.monitoring.drift.measures import list_measures, measure_distances
from voxloop.monitoring.drift.profile import Profile

QUICK = CONFIG.model_copy(update={"draws": 200})
REFERENCE = make_reference(3, 150, correlation=0.3, rows=20)


def window(shift: float = 0.0, speakers: int = 20, rows: int = 20) -> Profile:
    return make_window(REFERENCE, np.random.default_rng(5), np.full(speakers, rows), correlation=0.3, shift=shift)


def test_a_window_like_the_reference_has_not_drifted_and_a_shifted_one_says_how() -> None:
    calm = check_window(REFERENCE, window(), QUICK)
    assert (calm.outcome, calm.reasons) == (Outcome.NO_DRIFT, ())
    assert len(calm.findings) == 11 * 3 + 2
    moved = check_window(REFERENCE, window(shift=1.5), QUICK)
    assert moved.outcome is Outcome.DRIFT
    assert {finding.column for finding in moved.findings if finding.is_beyond} == {SHIFTED}
    assert all(f"of {SHIFTED} is" in reason for reason in moved.reasons)
    assert all("by 400 rows of 20 speakers" in reason for reason in moved.reasons)


def test_the_same_seed_says_the_same_and_the_order_of_windows_does_not_matter() -> None:
    first, _, again = (check_window(REFERENCE, one, QUICK) for one in (window(), window(1.5), window()))
    assert first == again
    other = check_window(REFERENCE, window(), QUICK.model_copy(update={"seed": 1}))
    assert other.findings != first.findings


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        (window(speakers=9, rows=50), "9 speakers, of 10 at least"),
        (window(speakers=12, rows=2), "24 rows, of 200 at least"),
        (replace(window(shift=3.0), schema_version=9), "schema version 9"),
        (replace(window(shift=3.0), family="asr"), "a profile of asr"),
        (replace(window(shift=3.0), columns=REFERENCE.columns[:-1]), "other bins"),
    ],
)
def test_what_is_thin_or_of_another_kind_cannot_be_told(profile: Profile, named: str) -> None:
    judged = check_window(REFERENCE, profile, QUICK)
    assert judged.outcome is Outcome.CANNOT_TELL
    assert any(named in reason for reason in judged.reasons)
    assert judged.findings == ()


def test_a_problem_of_the_log_forbids_every_conclusion() -> None:
    judged = check_window(REFERENCE, window(shift=3.0), QUICK, problems=["a clock ran backwards"])
    assert (judged.outcome, judged.reasons) == (Outcome.CANNOT_TELL, ("a clock ran backwards",))


def test_a_small_reference_cannot_tell() -> None:
    judged = check_window(make_reference(1, 99, correlation=0.3, rows=5), window(), QUICK)
    assert judged.outcome is Outcome.CANNOT_TELL


@pytest.mark.parametrize("models", [{"f" * 64: 400}, {"e" * 64: 399, "f" * 64: 1}])
def test_answers_of_another_model_are_not_held_against_the_references(models: dict[str, int]) -> None:
    other = replace(window(), models=models)
    judged = check_window(REFERENCE, other, QUICK)
    assert judged.outcome is Outcome.NO_DRIFT
    assert judged.reasons == ("label is not compared: it is not of one model, the reference's",)
    assert "label" not in {finding.column for finding in judged.findings}


shares = st.lists(st.integers(0, 60), min_size=5, max_size=5).filter(lambda rows: sum(rows[:-1]) > 0)


@settings(deadline=None)
@given(shares, shares)
def test_distances_are_those_of_scipy_and_none_between_the_same(ours: list[int], theirs: list[int]) -> None:
    column = Column("x", edges=(0.5, 1.5, 2.5), centres=(0.0, 1.0, 2.0, 3.0), scale=2.0)
    p, q = np.array([ours], dtype=float), np.array([theirs], dtype=float)
    psi, distance, moved = measure_distances([column], p, q)[0]
    same = measure_distances([column], p, p * 3)[0]
    assert same == pytest.approx([0, 0, 0], abs=1e-7)
    rows = p.sum()
    smooth = [(one / one.sum() * rows + 0.5) / (rows + 2.5) for one in (p[0], q[0])]
    assert psi == pytest.approx(((smooth[0] - smooth[1]) * np.log(smooth[0] / smooth[1])).sum())
    assert distance == pytest.approx(jensenshannon(*smooth, base=2), abs=1e-7)
    expected = wasserstein_distance(range(4), range(4), p[0, :-1], q[0, :-1]) / 2.0
    assert moved == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-5, 5) | st.sampled_from([0.0, 1.0]) | st.just(float("nan")), min_size=1, max_size=60))
def test_bins_are_ordered_complete_and_hold_every_value(values: list[float]) -> None:
    given_values = np.array(values)
    columns = fix_columns({"x": given_values}, 8)
    if np.isnan(given_values).all():
        assert columns == ()
        return
    (column,) = columns
    assert column.is_sound
    assert list(column.centres) == sorted(column.centres)
    places = place_values(column, given_values)
    assert ((places >= 0) & (places < column.bins)).all()
    assert ((places == column.bins - 1) == np.isnan(given_values)).all()
    known = given_values[~np.isnan(given_values)]
    outside = place_values(column, np.array([known.min() - 1, known.max() + 1]))
    if known.min() == known.max():  # a constant that changes is seen in either direction
        assert len({*outside.tolist(), int(place_values(column, known[:1])[0])}) == 3


def test_a_label_nobody_knew_has_its_bin() -> None:
    column = Column("label", labels=("anger", "joy"))
    given_labels = Coded(np.array(["joy", "anger", "", "boredom", "zeal"]), np.arange(5))
    assert place_values(column, given_labels).tolist() == [1, 0, 3, 2, 2]


def test_draws_are_windows_of_as_many_rows_and_thresholds_are_exceeded_by_the_nominal_share() -> None:
    sizes = np.full((20, 12), 20)
    drawn = draw_distances(REFERENCE, sizes, draws=1_000, generator=np.random.default_rng(1))
    assert drawn.shape == (1_000, len(list_measures(REFERENCE.columns)))
    beyond = (drawn > set_thresholds(drawn, 0.02)).any(axis=1)
    assert 0.015 <= beyond.mean() <= 0.02
    other = draw_distances(REFERENCE, sizes, draws=1_000, generator=np.random.default_rng(2))
    assert (other > set_thresholds(drawn, 0.02)).any(axis=1).mean() < 0.04


def test_more_speakers_make_narrower_thresholds_and_more_rows_of_the_same_hardly_do() -> None:
    def widest(speakers: int, rows: int) -> float:
        sizes = np.full((speakers, 12), rows)
        drawn = draw_distances(REFERENCE, sizes, draws=400, generator=np.random.default_rng(1))
        return float(set_thresholds(drawn, 0.02)[2])

    assert widest(80, 20) < 0.65 * widest(20, 20)
    assert widest(20, 20) < 1.25 * widest(20, 2_000)


def test_a_configuration_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="false_alarms"):
        CheckConfig.model_validate({**CONFIG.model_dump(), "false_alarms": 0.7})
