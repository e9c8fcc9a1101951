"""What a fault leaves for the gate to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxloop.selftest.bench import Pair
from voxloop.verdict import Verdict


@dataclass(frozen=True)
class Challenge:
    """A candidate, whom it challenges, and on what.

    Args:
        model: Folder of the candidate.
        champion: Folder of the model in force.
        rows: What both are scored on.
        is_reason: Whether this set gave the reason for the retraining: then the candidate must be better.
        true_loss: What it loses to the champion in the policy's first measure on rows the gate never sees, where that
            was measured.
        changed: What its evaluation asks otherwise than it must, as fields of `ScoringConfig`.
        known_sets: Digests of frozen sets that the ledger knows of its family, by name.
    """

    model: Path
    champion: Path
    rows: tuple[Pair, ...]
    is_reason: bool = False
    true_loss: float | None = None
    changed: Mapping[str, object] = field(default_factory=dict)
    known_sets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Objection:
    """What one rule said, of a model or of its data."""

    rule: str
    measure: str
    cut: str
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class DataAnswer:
    """What was said of the data before anything could be trained on them."""

    verdict: Verdict
    objections: tuple[Objection, ...]
