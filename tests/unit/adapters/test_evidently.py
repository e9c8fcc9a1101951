"""Evidently's page of a window of a real log: what it shows and what it must not, and whether both say the same."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
import pytest

from tests.unit.monitoring.drift.logs import DAY, HOUR, make_rows, write_rows
from tests.unit.monitoring.drift.test_policy import POLICY
from voxloop.adapters.evidently import MISSING, UNKNOWN_LABEL, Comparison, draw_page, make_frame, name_bins
from voxloop.monitoring.drift.check import Finding, check_window
from voxloop.monitoring.drift.columns import Coded, Column
from voxloop.monitoring.drift.domain_classifier import CLASSIFIER
from voxloop.monitoring.drift.embeddings import EMBEDDING
from voxloop.monitoring.drift.measures import JENSEN_SHANNON, PSI, WASSERSTEIN
from voxloop.monitoring.drift.profile import PredictionColumns, make_profile
from voxloop.monitoring.drift.report_rows import ReportRows, read_report_rows
from voxloop.monitoring.drift.watch import make_reference

NOON = DAY + 12 * HOUR


@dataclass(frozen=True)
class Drawn:
    page: str
    comparisons: tuple[Comparison, ...]
    rows: ReportRows
    asked: list[object]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """A window whose sound has three deviations less noise, and half of which was not measured."""
    place = tmp_path_factory.mktemp("log")
    for hour in range(3):
        write_rows(place, make_rows(DAY - (3 - hour) * HOUR, speakers=60, each=12, seed=hour))
    later = make_rows(NOON, speakers=20, each=30, seed=9, shift=3.0)
    for row in later[::2]:
        row |= {"is_measured": False, "snr_db": None, "f0_mean_hz": None}
    write_rows(place, later, 9)
    reference = make_reference(place, "emotion", DAY - 3 * HOUR, DAY, POLICY)
    rows = read_report_rows(place, reference, POLICY, NOON, NOON + HOUR)
    check = POLICY.check.model_copy(update={"draws": 300})
    judged = check_window(reference.as_profile(), make_profile("emotion", rows.columns, rows.window), check)
    asked: list[object] = []

    def refuse(_: socket.socket, address: object) -> None:
        asked.append(address)
        raise OSError("no network here")

    with patch.object(socket.socket, "connect", refuse):
        page, comparisons = draw_page(rows, judged.findings, "emotion: <noon> beside its reference")
    return Drawn(page, comparisons, rows, asked)


@pytest.mark.slow
def test_the_page_holds_every_column_and_what_must_be_known_first(drawn: Drawn) -> None:
    for column in drawn.rows.columns:
        assert f"Drift in column '{column.name}" in drawn.page, column.name
    assert "<h2>emotion: &lt;noon&gt; beside its reference</h2>" in drawn.page
    assert "all 2,160 rows of the reference" in drawn.page
    assert "all 600 rows of the window" in drawn.page
    assert f"of {len(drawn.comparisons)} distances, at its thresholds" in drawn.page
    assert len(drawn.page) < 8_000_000


@pytest.mark.slow
def test_the_page_names_no_speaker_and_asks_nobody(drawn: Drawn) -> None:
    assert drawn.asked == []
    assert "default-src 'none'" in drawn.page.partition("</head>")[0]
    for name in (*drawn.rows.window.speakers.names, *drawn.rows.reference.speakers.names, "e" * 64, "0" * 16):
        assert str(name) not in drawn.page


@pytest.mark.slow
def test_both_say_the_same_of_what_has_moved_far_and_of_what_has_not(drawn: Drawn) -> None:
    """`confidence` hangs together with the noise in this log, no other column does."""
    for one in drawn.comparisons:
        assert one.value is not None
        ours = one.ours
        if ours.column == "snr_db" or ours.value < 0.7 * ours.threshold:
            assert one.is_same, str(one)
            assert one.has_drifted is (ours.column == "snr_db")
    moved = {one.ours.measure for one in drawn.comparisons if one.ours.column == "snr_db"}
    assert moved == {PSI, JENSEN_SHANNON, WASSERSTEIN}


@pytest.mark.slow
def test_both_measure_the_same(drawn: Drawn) -> None:
    """Jensen-Shannon differs by half a row a bin, PSI by what an empty bin is given, and Wasserstein by what bins hide."""
    for one in drawn.comparisons:
        assert one.value is not None
        ours = one.ours
        if ours.measure == JENSEN_SHANNON:
            assert one.value == pytest.approx(ours.value, rel=0.15, abs=0.005), str(one)
        elif ours.column != "snr_db":
            most = 0.4 * ours.value + 0.01 if ours.measure == PSI else 0.05
            assert one.value == pytest.approx(ours.value, abs=most), str(one)
        else:
            assert one.value > ours.value > 3 * ours.threshold, (
                "beyond the last bin's mean the quick check sees no further"
            )


def of_nobody(values: dict[str, np.ndarray]) -> PredictionColumns:
    nobody = Coded(np.array(["a"]), np.zeros(len(values["snr_db"]), dtype=np.int64))
    return PredictionColumns(nobody, nobody, dict(values), {})


@pytest.mark.slow
@pytest.mark.parametrize("measure", [PSI, JENSEN_SHANNON, WASSERSTEIN])
def test_the_threshold_is_the_quick_checks_in_evidentlys_unit(measure: str) -> None:
    columns, generator = (Column("snr_db", (0.0, 1.0), (-0.5, 0.5, 1.5)),), np.random.default_rng(1)
    reference, window = (of_nobody({"snr_db": generator.normal(at, 1, 300)}) for at in (0.0, 0.5))
    rows = ReportRows(columns, reference, window, ())
    (found,) = draw_page(rows, [Finding(measure, "snr_db", 0.0, 0.2)], "x")[1]
    assert found.value is not None
    thresholds = [share * found.value for share in (0.95, 1.05)]
    words = [draw_page(rows, [Finding(measure, "snr_db", 0.0, one)], "x")[1][0].has_drifted for one in thresholds]
    assert words == [True, False]


@pytest.mark.slow
def test_a_distance_without_any_value_is_not_measured_and_counts_as_another_word() -> None:
    columns = (Column("snr_db", (0.0, 1.0), (-0.5, 0.5, 1.5)), Column("f0_mean_hz", (0.0,), (-0.5, 0.5)))
    generator = np.random.default_rng(1)

    def make(values: np.ndarray) -> PredictionColumns:
        return of_nobody({"snr_db": generator.normal(size=300), "f0_mean_hz": values})

    rows = ReportRows(columns, make(generator.normal(size=300)), make(np.full(300, np.nan)), ())
    findings = [Finding(measure, "f0_mean_hz", 5.0, 0.2) for measure in (PSI, JENSEN_SHANNON, WASSERSTEIN)]
    more = (Finding(WASSERSTEIN, "snr_db", 0.0, 0.5), Finding(CLASSIFIER, EMBEDDING, 1.0, 0.5))
    _, found = draw_page(rows, [*findings, *more], "x")
    assert [one.has_drifted for one in found] == [True, True, None, False, None]
    assert not found[2].is_same
    assert "domain classifier of embedding is 1, is not measured by Evidently" in str(found[4])
    assert "is not measured by Evidently" in str(found[2])


def test_a_frame_holds_bins_beside_numbers_and_tells_missing_from_unknown() -> None:
    columns = (Column("snr_db", (0.0, 1.0), (-0.5, 0.5, 1.5)), Column("label", labels=("anger", "joy")))
    labels = Coded(np.array(["joy", "zeal", ""]), np.array([0, 1, 2, 0]))
    who = Coded(np.array(["ann"]), np.zeros(4, dtype=np.int64))
    skipped = {"snr_db": np.array([False, False, False, True])}
    given = PredictionColumns(who, who, {"snr_db": np.array([-3.0, 0.0, np.nan, 9.0]), "label": labels}, skipped)
    frame = make_frame(columns, given)
    assert frame["snr_db (bins)"].tolist() == ["01: -∞ to 0", "02: 0 to 1", MISSING, None]
    assert frame["label"].tolist() == ["joy", UNKNOWN_LABEL, MISSING, "joy"]
    assert frame["snr_db"].isna().tolist() == [False, False, True, True]
    assert [*frame] == ["snr_db (bins)", "snr_db", "label"]


def test_every_bin_has_a_name_of_its_own() -> None:
    column = Column("x", (1.0, float(np.nextafter(1.0, 2.0)), 1.00001), (0.0, 1.0, 1.0, 2.0))
    assert len({*name_bins(column)}) == column.bins == 5
    assert len(name_bins(replace(column, edges=(), centres=(), labels=("a", "b")))) == 4


def test_the_page_is_refused_when_its_form_is_another() -> None:
    from voxloop.adapters.evidently import _write_page

    with pytest.raises(ValueError, match="has no <body>"):
        _write_page("<html><head></head></html>", "x", (), ())
