"""Suspicions counted by speaker and source: what is an alarm, what is chance, and when nobody can tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tests.unit.jobs.datasets import make_rows, write_dataset
from voxloop.config import load_config
from voxloop.data.audit_rows import AuditRows, Mask, Names, Numbers, read_rows
from voxloop.data.group_test import Cell, NullConfig, estimate_correlation, judge_group, tail
from voxloop.data.label_audit import judge_groups, judge_relabelled, standardise_speakers
from voxloop.data.poison_audit import audit_rows
from voxloop.data.poison_config import OutlierConfig, PoisonConfig
from voxloop.data.poison_report import PoisonReport
from voxloop.verdict import Verdict

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "poison"
CONFIG = load_config(PoisonConfig, CONFIGS / "emotion.yaml")
NULL = NullConfig(trim=0.2, floor=0.05, speaker_excess=0.1, source_excess=0.05)
KNOWN = ("anger", "fear", "happiness", "neutral")


@dataclass(frozen=True)
class Opinion:
    suspicious: Mask
    suggested: Names
    confidence: Numbers


@dataclass(frozen=True)
class Oracle:
    """Somebody who knows which labels are wrong and which sounds are foreign."""

    truth: Names
    foreign: Mask

    def suspect_labels(self, features: Numbers, labels: Names, speakers: Names, folds: int) -> Opinion:
        return Opinion(labels != self.truth, self.truth, np.where(labels == self.truth, 0.9, 0.1))

    def suspect_within(self, features: Numbers, labels: Names, folds: int, below: float) -> Opinion:
        raise AssertionError("nobody is held against themselves here")

    def score_outliers(self, features: Numbers, config: OutlierConfig) -> Numbers:
        return np.where(self.foreign, 9.0, 0.0)

    def score_values(self, features: Numbers | None, values: Numbers, folds: int) -> Numbers:
        return self.robust_z(values)

    def robust_z(self, values: Numbers) -> Numbers:
        spread = 1.4826 * np.median(np.abs(values - np.median(values)))
        return np.asarray((values - np.median(values)) / max(float(spread), 1e-9), dtype=np.float64)


def make_audit(speakers: int = 20, repeats: int = 6, sources: int = 2) -> AuditRows:
    number = np.arange(speakers * repeats * len(KNOWN))
    speaker = number // (repeats * len(KNOWN))
    return AuditRows(
        ids=np.array([f"u{one:05d}" for one in number]),
        speakers=np.array([f"s{one:02d}" for one in speaker]),
        sources=np.array([f"source {one % sources}" for one in speaker]),
        features=np.zeros((len(number), 62)),
        columns={"emotion": np.array([KNOWN[one % len(KNOWN)] for one in number], dtype=object)},
    )


def audit(rows: AuditRows, wrong: Mask | None = None, foreign: Mask | None = None) -> PoisonReport:
    """Audit rows whose labels are right but where `wrong`: there the truth is the next label."""
    nobody = np.zeros(len(rows.ids), dtype=np.bool_)
    labels = rows.columns["emotion"].astype(np.str_)
    following = np.array([KNOWN[(KNOWN.index(label) + 1) % len(KNOWN)] for label in labels])
    truth = np.where(nobody if wrong is None else wrong, following, labels)
    return audit_rows(rows, CONFIG, "emotion", Oracle(truth, nobody if foreign is None else foreign))


def accused(report: PoisonReport) -> set[tuple[str, str]]:
    return {(one.kind, one.name) for one in report.findings if one.alarm}


def test_without_suspicions_it_passes() -> None:
    report = audit(make_audit())
    assert report.verdict is Verdict.PASS
    assert report.reasons == ()
    assert len(report.findings) == 2 * (20 + 2)  # sounds and labels, of speakers and of sources


def test_a_speaker_whose_labels_are_wrong_fails_and_is_named() -> None:
    rows = make_audit()
    report = audit(rows, wrong=rows.speakers == "s07")
    assert report.verdict is Verdict.FAIL
    assert ("label", "s07") in accused(report)
    assert {one.speaker_id for one in report.suspicious} == {"s07"}
    assert {(one.given, one.suspected) for one in report.suspicious} >= {("anger", "fear")}


def test_a_source_of_foreign_sounds_fails_and_is_named() -> None:
    rows = make_audit()
    foreign = (rows.sources == "source 1") & (np.arange(len(rows.ids)) % 5 == 0)
    assert accused(audit(rows, foreign=foreign)) == {("sound", "source 1")}


def test_a_few_wrong_labels_everywhere_are_nobodys_fault() -> None:
    rows = make_audit()
    report = audit(rows, wrong=np.random.default_rng(1).random(len(rows.ids)) < 0.05)
    assert report.verdict is Verdict.PASS
    assert report.suspicious_total > 10


def test_three_culprits_do_not_excuse_each_other() -> None:
    rows = make_audit()
    report = audit(rows, wrong=np.isin(rows.speakers, ["s01", "s02", "s03"]))
    assert {name for kind, name in accused(report) if kind == "label"} >= {"s01", "s02", "s03"}


def test_more_wrong_than_right_cannot_tell() -> None:
    rows = make_audit()
    report = audit(rows, wrong=np.arange(len(rows.ids)) % 2 == 0)
    assert report.verdict is Verdict.CANNOT_TELL
    assert "either most are wrong, or these sounds do not tell them" in report.reasons[0]


def test_a_label_that_became_another_one_is_found_by_its_gap() -> None:
    rows = make_audit()
    labels = rows.columns["emotion"].astype(np.str_)
    hidden = (rows.speakers == "s05") & (labels == "anger")
    given_labels = np.where(hidden, "happiness", labels)
    poisoned = replace(rows, columns={"emotion": given_labels.astype(object)})
    findings = judge_relabelled(poisoned, given_labels, labels, given_labels != labels, CONFIG)
    assert [(one.name, one.about) for one in findings if one.alarm] == [("s05", "happiness -> anger")]


def test_somebody_who_never_had_a_label_is_no_culprit() -> None:
    rows = make_audit()
    labels = rows.columns["emotion"].astype(np.str_)
    without = rows.select(~((rows.speakers == "s05") & (labels == "anger")))
    assert audit(without).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (make_audit(speakers=2), "48 training rows; 60 is the least"),
        (make_audit(speakers=5), "5 training speakers"),
        (make_audit(speakers=20).select(np.arange(480) < 0), "0 training rows"),
    ],
)
def test_too_little_cannot_tell(rows: AuditRows, reason: str) -> None:
    report = audit(rows)
    assert report.verdict is Verdict.CANNOT_TELL
    assert any(reason in why for why in report.reasons)


def test_one_label_cannot_tell() -> None:
    rows = make_audit()
    rows = replace(rows, columns={"emotion": np.array(["anger"] * len(rows.ids), dtype=object)})
    assert "anger is the only label" in audit(rows).reasons[0]


def test_no_labels_cannot_tell() -> None:
    rows = make_audit()
    rows = replace(rows, columns={"emotion": np.array([None] * len(rows.ids), dtype=object)})
    assert audit_rows(rows, CONFIG, "emotion", Oracle(np.array([]), np.zeros(480, dtype=np.bool_))).reasons


def test_speakers_of_two_utterances_each_cannot_tell() -> None:
    rows = make_audit(speakers=40, sources=1)
    few = rows.select(np.arange(len(rows.ids)) % 24 < 2)
    report = audit(few)
    assert report.verdict is Verdict.CANNOT_TELL
    assert "too few utterances each" in report.reasons[0]


def test_transcripts_that_do_not_fit_are_found_by_their_pace() -> None:
    rows = make_audit()
    draw = np.random.default_rng(2)
    seconds = draw.uniform(1.0, 5.0, len(rows.ids))
    texts = np.array(["x" * round(15 * one) for one in seconds], dtype=object)
    config = load_config(PoisonConfig, CONFIGS / "asr.yaml")
    oracle = Oracle(np.array([]), np.zeros(len(rows.ids), dtype=np.bool_))
    clean = replace(rows, columns={"text": texts, "duration_s": seconds * draw.normal(1.0, 0.05, len(seconds))})
    assert audit_rows(clean, config, "asr", oracle).verdict is Verdict.PASS
    mine = np.flatnonzero(rows.speakers == "s04")
    swapped = texts.copy()
    swapped[mine] = [texts[one] * 3 if one % 2 else texts[one] for one in mine]
    report = audit_rows(replace(clean, columns={**clean.columns, "text": swapped}), config, "asr", oracle)
    assert accused(report) == {("transcript", "s04")}


def test_a_trait_out_of_line_and_a_shifted_source_are_found() -> None:
    rows = make_audit(speakers=40, sources=4)
    config = load_config(PoisonConfig, CONFIGS / "personality.yaml")
    config = config.model_copy(update={"value_columns": ("openness",)})
    per_speaker = np.random.default_rng(3).normal(4.0, 1.0, 40)
    oracle = Oracle(np.array([]), np.zeros(len(rows.ids), dtype=np.bool_))

    def report_of(values: Numbers) -> PoisonReport:
        column = np.repeat(values, 24).astype(object)
        return audit_rows(replace(rows, columns={"openness": column}), config, "personality", oracle)

    assert report_of(per_speaker).verdict is Verdict.PASS
    outlying = per_speaker.copy()
    outlying[9] = 40.0
    assert ("value", "s09") in accused(report_of(outlying))
    shifted = per_speaker + 3.0 * (np.arange(40) % 4 == 2)
    assert ("value", "source 2") in accused(report_of(shifted))


def test_one_source_alone_is_not_held_against_itself() -> None:
    rows = make_audit(sources=1)
    findings = judge_groups(rows, np.zeros(len(rows.ids), dtype=np.bool_), "label", NULL, CONFIG)
    assert {one.group for one in findings} == {"speaker"}


def test_a_one_sided_speaker_keeps_the_own_mean() -> None:
    features = np.array([[1.0], [3.0], [11.0], [13.0], [21.0], [23.0]])
    people = np.array(["a", "a", "b", "b", "c", "c"])
    labels = np.array(["x", "y", "x", "y", "x", "x"])
    standard = standardise_speakers(features, people, labels)
    assert standard[:2].mean() == pytest.approx(0.0)
    assert standard[2:4].mean() == pytest.approx(0.0)
    assert standard[4:].mean() > 1.0  # c has one label alone: the level may be the label


@given(st.integers(0, 30), st.integers(1, 30), st.floats(0.01, 0.6))
def test_without_correlation_the_tail_is_binomial(found: int, rows: int, rate: float) -> None:
    assert tail(min(found, rows), rows, rate, 0.0) == pytest.approx(
        binom.sf(min(found, rows) - 1, rows, rate), rel=1e-2, abs=1e-4
    )


@given(st.integers(3, 20), st.floats(0.02, 0.4), st.floats(0.02, 0.5))
def test_more_difference_between_people_excuses_more(rows: int, rate: float, correlation: float) -> None:
    assert tail(rows, rows, rate, correlation) >= tail(rows, rows, rate, correlation / 2) - 1e-12


def test_the_correlation_is_the_one_it_was_drawn_with() -> None:
    draw = np.random.default_rng(4)
    rows = np.full(3_000, 24)
    rates = draw.beta(0.2 * 9, 0.8 * 9, len(rows))  # 1 / (a + b + 1) = 0.1
    assert estimate_correlation(rows, draw.binomial(rows, rates)) == pytest.approx(0.1, abs=0.015)


def test_clean_speakers_alarm_no_more_often_than_alpha() -> None:
    """Speakers drawn from the null: the p-value of one of them lies under 5 % in at most 5 % of the draws."""
    draw = np.random.default_rng(5)
    below = 0
    for _ in range(400):
        rows = np.full(28, 24)
        found = draw.binomial(rows, draw.beta(0.1 * 19, 0.9 * 19, len(rows)))
        test = judge_group(Cell(rows[:1], found[:1]), Cell(rows[1:], found[1:]), NULL, 0.0)
        below += test.p_value < 0.05
    assert below / 400 < 0.12  # the trimmed estimate is too kind: what that costs is measured on whole worlds


def test_the_training_split_alone_is_read(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", make_rows({"train": ["a", "b"], "test": ["c"]}))
    rows = read_rows(dataset, ["emotion"])
    assert set(rows.speakers) == {"a", "b"}
    assert rows.features.shape == (12, 62)
    assert np.isfinite(rows.features).all()
    assert rows.heard.all()
