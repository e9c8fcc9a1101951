"""Evaluations of recognisers and of personality models made by hand, as `cases` makes those of emotion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.unit.evaluation.cases import RIVAL, write_evaluation
from voxloop.data.schema import TRAITS
from voxloop.evaluation.answers import ANSWERS_SCHEMA, CHALLENGER, CHAMPION, describe_row
from voxloop.evaluation.policy import GatePolicy
from voxloop.tasks.personality_encoding import PersonalityEncoding
from voxloop.tasks.transcripts import AsrEncoding

WORDS = ("one", "two", "three", "four", "five", "six")
LENGTHS_S = (0.5, 2.0, 5.0, 12.0)
ASR = AsrEncoding(symbols=("_", *sorted(set("".join(WORDS) + " "))))
PERSONALITY = PersonalityEncoding.model_validate(
    {
        "kind": "regression",
        "modalities": ["voice"],
        "traits": [{"name": name, "mean": 4.0, "sd": 1.0, "threshold": 4.0} for name in TRAITS],
        "features": [{"name": "pitch", "centre": 0.0, "spread": 1.0}, {"name": "rate", "centre": 0.0, "spread": 1.0}],
        "clip": 4.0,
        "vocabulary": {"words": [], "weights": [], "pairs": False, "longest": 100},
        "answer_range": [1.0, 7.0],
    }
)


def policy_for(measure: str, limit: float) -> GatePolicy:
    """Return a policy about one measure, no worse by 0.05."""
    asked = {"limit": limit, "comparison": {"kind": "non_inferiority", "margin": 0.05}}
    return GatePolicy.model_validate(
        {"version": 1, "claim": "new speakers", "minimum_utterances": 10, "measures": {measure: asked}}
    )


def write_asr(folder: Path, *, speakers: int = 10, repeats: int = 8, seed: int = 3) -> Path:
    """Write an evaluation of recognisers, of which the champion mishears more words."""
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(speakers):
        for repeat in range(repeats):
            said = [str(word) for word in rng.choice(WORDS, 4)]
            for model, wrong in ((CHALLENGER, 0.1), (CHAMPION, 0.2)):
                heard = [word if rng.random() > wrong else "eight" for word in said]
                row = _row(speaker, repeat, LENGTHS_S[repeat % len(LENGTHS_S)])
                rows.append(describe_row("test", model, row, {"text": " ".join(said)}, {"text": " ".join(heard)}))
    return _write(folder, rows, "asr", ASR)


def write_personality(folder: Path, *, speakers: int = 24, repeats: int = 2, seed: int = 3) -> Path:
    """Write an evaluation of personality models, of which the champion's answers are noisier."""
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(speakers):
        traits = {name: float(rng.uniform(2, 6)) for name in TRAITS}
        for repeat in range(repeats):
            for model, noise in ((CHALLENGER, 0.4), (CHAMPION, 1.0)):
                row = _row(speaker, repeat, 3.0)
                found = {name: value + float(rng.normal(0, noise)) for name, value in traits.items()}
                reference = {"traits": traits, "speaker_id": row["speaker_id"]}
                rows.append(describe_row("test", model, row, reference, {"traits": found}))
    return _write(folder, rows, "personality", PERSONALITY)


def _write(folder: Path, rows: list[dict[str, Any]], task: str, encoding: Any) -> Path:
    table = pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)
    champion = RIVAL.model_copy(update={"labels": encoding.labels})
    return write_evaluation(folder, table, task=task, encoding=encoding, champion=champion)


def _row(speaker: int, repeat: int, seconds: float) -> dict[str, Any]:
    return {
        "utterance_id": f"p{speaker:02d}-{repeat}",
        "speaker_id": f"p{speaker:02d}",
        "gender": "female" if speaker % 2 else "male",
        "age": None,
        "language": "en",
        "source": "by hand",
        "duration_s": seconds,
        "snr_db": 5.0 + 10.0 * (repeat % 4),
    }
