"""Gate policies, as a model and as the files that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.evaluation.cases import POLICY, changed_policy
from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError
from voxloop.evaluation.policy import Claim, Comparison, GatePolicy, MeasureRule, SetRule


@pytest.mark.parametrize(
    ("kind", "margin", "bound"),
    [("superiority", 0.0, 0.0), ("superiority", 0.02, 0.02), ("non_inferiority", 0.03, -0.03)],
)
def test_bound_follows_from_kind_and_margin(kind: str, margin: float, bound: float) -> None:
    assert Comparison.model_validate({"kind": kind, "margin": margin}).bound == bound


NO_WORSE = {"kind": "non_inferiority", "margin": 0.03}


@pytest.mark.parametrize(
    "changes",
    [
        {"measures": {}},
        {"measures": {"uar": {}}},
        {"measures": {"uar": {"limit": 0.5}}},
        {"measures": {"uar": {"comparison": NO_WORSE}}},
        {"measures": {"uar": {"limit": 0.5, "comparison": {"kind": "non_inferiority", "margin": 0}}}},
        {"measures": {"uar": {"limit": 0.5, "comparison": {"kind": "superiority", "margin": -0.01}}}},
        {"slices": {"by": [], "measure": "uar", "margin": 0.1}},
        {"slices": {"by": ["gender"], "measure": "uar", "margin": 0.0}},
        {"slices": {"by": ["shoe_size"], "measure": "uar", "margin": 0.1}},
        {"minimum_speakers": 1},
        {"minimum_per_label": 0},
        {"level": 1.0},
        {"claim": "all speakers"},
        {"floor": 0.5},
    ],
)
def test_policies_that_would_let_anything_through_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        changed_policy(**changes)


def test_digest_covers_every_number_defaults_included() -> None:
    assert changed_policy(level=0.95).digest() == POLICY.digest()
    assert changed_policy(minimum_speakers=9).digest() != POLICY.digest()


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("asr", Claim.NEW_SPEAKERS),
        ("emotion", Claim.NEW_SPEAKERS),
        ("emotion-nemo", Claim.THESE_SPEAKERS),
        ("personality", Claim.NEW_SPEAKERS),
    ],
)
def test_shipped_policies_load(name: str, claim: Claim) -> None:
    assert load_config(GatePolicy, find_config("gates", name)).claim is claim


def test_a_misspelt_key_is_named_with_its_nearest(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text(find_config("gates", "emotion").read_text().replace("\nminimum_speakers", "\nminimum_speaker"))
    with pytest.raises(ConfigError, match="did you mean 'minimum_speakers'"):
        load_config(GatePolicy, path)


def test_what_is_asked_on_a_set_depends_on_the_set() -> None:
    better, wide = Comparison(kind="superiority", margin=0.01), Comparison(kind="non_inferiority", margin=0.1)
    no_worse = Comparison.model_validate(NO_WORSE)
    rule = MeasureRule(
        limit=0.5,
        comparison=no_worse,
        on_reason=better,
        sets={"old": SetRule(comparison=wide), "hard": SetRule(limit=0.3)},
    )
    assert [rule.comparison_on(name, "new") for name in ("new", "old", "hard", "other")] == [
        better,
        wide,
        no_worse,
        no_worse,
    ]
    assert rule.comparison_on("new", None) == no_worse
    assert [rule.limit_on(name) for name in ("hard", "old", "other")] == [0.3, 0.5, 0.5]
    assert MeasureRule(limit=0.5).comparison_on("new", "new") is None
