"""Gate policies, as a model and as the files that ship."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.unit.evaluation.cases import POLICY, changed_policy
from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError
from voxloop.evaluation.policy import Claim, Comparison, GatePolicy


@pytest.mark.parametrize(
    ("kind", "margin", "bound"),
    [("superiority", 0.0, 0.0), ("superiority", 0.02, 0.02), ("non_inferiority", 0.03, -0.03)],
)
def test_bound_follows_from_kind_and_margin(kind: str, margin: float, bound: float) -> None:
    assert Comparison.model_validate({"kind": kind, "margin": margin}).bound == bound


@pytest.mark.parametrize(
    "changes",
    [
        {"comparison": {"kind": "non_inferiority", "margin": 0}},
        {"comparison": {"kind": "superiority", "margin": -0.01}},
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


@pytest.mark.parametrize(("name", "claim"), [("emotion", Claim.NEW_SPEAKERS), ("emotion-nemo", Claim.THESE_SPEAKERS)])
def test_shipped_policies_load(name: str, claim: Claim) -> None:
    assert load_config(GatePolicy, find_config("gates", name)).claim is claim


def test_a_misspelt_key_is_named_with_its_nearest(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text(find_config("gates", "emotion").read_text().replace("minimum_speakers", "minimum_speaker"))
    with pytest.raises(ConfigError, match="did you mean 'minimum_speakers'"):
        load_config(GatePolicy, path)
