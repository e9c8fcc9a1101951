"""Virtual callers whose answers get labels: rows of the prediction log, and what waits in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from voxloop.config import find_config
from voxloop.data.group_test import NullConfig
from voxloop.data.poison_config import PoisonConfig, load_policy
from voxloop.monitoring.feedback import Feedback
from voxloop.monitoring.label_policy import LabelPolicy
from voxloop.monitoring.labelled_answers import Labelled, choose_writer, join_labels
from voxloop.monitoring.measured_loss import MeasuredLoss, measure_loss
from voxloop.monitoring.promotion_evidence import AtPromotion
from voxloop.store.digests import canonical_json

MODEL, AT = "e" * 64, datetime(2026, 11, 29, 10, tzinfo=UTC)
LABELS = ("anger", "fear", "happiness", "neutral")
KEYS = ("a" * 16, "b" * 16, "c" * 16)
AT_PROMOTION = AtPromotion(MODEL, AT, "uar", 0.8, 0.75, 0.84, 0.95, "test", {})
SPELLING = {"normaliser": "voxloop.data.text", "normaliser_version": "1", "unspoken": ".,!"}
IN_WORDS = replace(AT_PROMOTION, measure="wer", estimate=0.2, low=0.16, high=0.25, spelling=SPELLING)
POLICY = LabelPolicy(
    days=28,
    least_answers=100,
    least_speakers=8,
    most_of_one_key=0.9,
    most_of_one_label=0.9,
    most_contradicted=0.05,
    key_null=NullConfig(trim=0.0, floor=0.05, speaker_excess=0.25, source_excess=0.2),
)

Row = dict[str, Any]


def load_poison(task: str = "emotion") -> PoisonConfig:
    poison = load_policy(find_config("poison", task), ())
    assert isinstance(poison, PoisonConfig)
    return poison


def make_row(number: int, emotion: str, speaker: str | None, **changes: Any) -> Row:
    answer = {"emotion": emotion, "probabilities": dict.fromkeys(LABELS, 0.25)}
    return {
        "request_id": f"{number:032x}",
        "model_digest": MODEL,
        "is_shadow": False,
        "status": 200,
        "answer": canonical_json(answer),
        "key_id": "d" * 16,
        "speaker": speaker,
        "speaker_key": None if speaker is None else "v1",
        **changes,
    }


def make_label(number: int, emotion: str, key: str, **changes: Any) -> Feedback:
    given = Feedback(
        request_id=f"{number:032x}",
        number=1,
        at=(AT + timedelta(days=1)).isoformat(),
        answered_at=AT.isoformat(),
        family="emotion",
        model_digest=MODEL,
        tenant="t",
        key_id=key,
        label={"emotion": emotion},
    )
    return replace(given, **changes)


def make_world(
    seed: int = 7, *, speakers: int = 20, each: int = 12, error: float = 0.4, spread: float = 0.1
) -> tuple[list[Feedback], list[Row]]:
    """Return right labels of answers that are wrong by a share that varies from speaker to speaker (normal, `spread`).

    Each speaker belongs to one key, as callers of a tenant do.
    """
    draw = np.random.default_rng(seed)
    given, rows = [], []
    for speaker in range(speakers):
        wrong = float(np.clip(draw.normal(error, spread), 0, 1))
        for place in range(each):
            number, truth = speaker * each + place, LABELS[place % len(LABELS)]
            others = [label for label in LABELS if label != truth]
            said = others[int(draw.integers(len(others)))] if draw.random() < wrong else truth
            rows.append(make_row(number, said, f"{speaker:064x}"))
            given.append(make_label(number, truth, KEYS[speaker % len(KEYS)]))
    return given, rows


def join(
    given: list[Any], rows: list[Row], task: str = "emotion", spelling: Mapping[str, str] | None = None
) -> Labelled:
    write = choose_writer(task, spelling or {})
    assert callable(write)
    return join_labels(given, rows, task, MODEL, write)


def measure(given: list[Any], rows: list[Row], **changes: Any) -> MeasuredLoss:
    policy = POLICY.model_copy(update=changes)
    return measure_loss(join(given, rows), AT_PROMOTION, "emotion", policy, load_poison())
