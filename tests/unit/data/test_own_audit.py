"""Speakers held against themselves: what is found, when nobody can tell, and what is said of the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from voxloop.config import load_config
from voxloop.data.audit_rows import AuditRows, Mask, Names, Numbers
from voxloop.data.own_audit import audit_own
from voxloop.data.poison_config import OutlierConfig, OwnConfig, PoisonConfig, load_policy
from voxloop.data.poison_report import OWN_ONLY, PoisonReport
from voxloop.errors import ConfigError
from voxloop.verdict import Verdict

CONFIGS = Path(__file__).resolve().parents[3] / "configs" / "poison"
CONFIG = load_config(OwnConfig, CONFIGS / "emotion-nemo.yaml")
KNOWN = ("anger", "fear", "happiness", "neutral")


@dataclass(frozen=True)
class Opinion:
    suspicious: Mask
    suggested: Names
    confidence: Numbers


@dataclass(frozen=True)
class Oracle:
    """Somebody to whom feature 0 is the number of the true label and feature 1 tells a foreign sound.

    With `doubts`, every other label is told wrongly, without ever contradicting one.
    """

    doubts: bool = False

    def suspect_labels(self, features: Numbers, labels: Names, speakers: Names, folds: int) -> Opinion:
        raise AssertionError("nobody is held against others here")

    def suspect_within(self, features: Numbers, labels: Names, folds: int, below: float) -> Opinion:
        truth = np.array(KNOWN)[features[:, 0].astype(int)]
        if self.doubts:
            told = np.where(np.arange(len(labels)) % 2 == 0, "anger", truth)
            return Opinion(np.zeros(len(labels), dtype=np.bool_), told, np.full(len(labels), 0.25))
        return Opinion(labels != truth, truth, np.where(labels == truth, 0.9, below / 2))

    def score_outliers(self, features: Numbers, config: OutlierConfig) -> Numbers:
        return np.where(features[:, 1] > 0, config.limit + 1.0, 0.0)

    def score_values(self, features: Numbers | None, values: Numbers, folds: int) -> Numbers:
        raise AssertionError("no numbers here")

    def robust_z(self, values: Numbers) -> Numbers:
        raise AssertionError("no numbers here")


def make_audit(speakers: int = 2, rows: int = 300) -> AuditRows:
    number = np.arange(speakers * rows)
    features = np.zeros((len(number), 62))
    features[:, 0] = number % len(KNOWN)
    return AuditRows(
        ids=np.array([f"u{one:05d}" for one in number]),
        speakers=np.array([f"s{one // rows}" for one in number]),
        sources=np.array(["here"] * len(number)),
        features=features,
        columns={"emotion": np.array([KNOWN[one % len(KNOWN)] for one in number], dtype=object)},
    )


def flip(rows: AuditRows, count: int) -> AuditRows:
    """Turn the first labels one further."""
    labels = rows.columns["emotion"].copy()
    labels[:count] = [KNOWN[(KNOWN.index(label) + 1) % len(KNOWN)] for label in labels[:count]]
    return replace(rows, columns={"emotion": labels})


def audit(rows: AuditRows, oracle: Oracle | None = None) -> PoisonReport:
    return audit_own(rows, CONFIG, "emotion", oracle or Oracle())


def test_clean_speakers_pass_and_the_verdict_says_what_was_not_looked_for() -> None:
    report = audit(make_audit())
    assert (report.verdict, report.reasons, len(report.findings)) == (Verdict.PASS, (), 4)
    assert any(OWN_ONLY in line for line in report.lines())


@pytest.mark.parametrize(("count", "verdict"), [(24, Verdict.PASS), (25, Verdict.FAIL)])
def test_the_bound_is_the_policys(count: int, verdict: Verdict) -> None:
    report = audit(flip(make_audit(), count))
    assert report.verdict is verdict
    assert report.suspicious_total == count
    assert {finding.name for finding in report.findings if finding.alarm} == ({"s0"} if count == 25 else set())


def test_foreign_sounds_beyond_the_bound_fail() -> None:
    rows = make_audit()
    rows.features[300:307, 1] = 1.0
    report = audit(rows)
    assert report.verdict is Verdict.FAIL
    assert report.reasons == ("sound: speaker s1 has 7 of 300 suspicious, 2.0% is the most",)


def test_a_thin_speaker_cannot_tell_and_does_not_hide_a_culprit() -> None:
    rows = make_audit()
    thin = rows.select(np.arange(600) < 599)
    assert audit(thin).verdict is Verdict.CANNOT_TELL
    assert "speaker s1 has 299 rows with a sound and a label; 300 is the least" in audit(thin).reasons[0]
    assert audit(flip(thin, 60)).verdict is Verdict.FAIL


def test_rows_without_a_sound_or_a_label_do_not_count() -> None:
    silent, unlabelled = make_audit(), make_audit()
    silent.features[5] = np.nan
    unlabelled.columns["emotion"][5] = None
    for rows in (silent, unlabelled):
        assert "speaker s0 has 299 rows" in audit(rows).reasons[0]


def test_a_speaker_of_one_label_cannot_tell() -> None:
    rows = make_audit(speakers=1)
    rows.columns["emotion"][:] = "anger"
    assert audit(rows).reasons == ("anger is the only label of speaker s0: nothing can contradict it",)


def test_nothing_at_all_cannot_tell() -> None:
    rows = make_audit()
    report = audit(rows.select(np.zeros(600, dtype=np.bool_)))
    assert (report.verdict, report.reasons) == (Verdict.CANNOT_TELL, ("0 training rows",))


def test_labels_that_are_not_told_cannot_tell() -> None:
    report = audit(make_audit(speakers=1), Oracle(doubts=True))
    assert report.verdict is Verdict.CANNOT_TELL
    assert "either most are wrong, or these sounds do not tell them" in report.reasons[0]


def test_a_file_is_of_the_kind_it_says() -> None:
    assert isinstance(load_policy(CONFIGS / "emotion-nemo.yaml", ()), OwnConfig)
    assert isinstance(load_policy(CONFIGS / "emotion.yaml", ("folds=3",)), PoisonConfig)
    with pytest.raises(ConfigError):
        load_policy(CONFIGS / "emotion-nemo.yaml", ("compare_with=others",))
