"""Evaluations made by hand: answers of a chosen quality, written the way `evaluate` writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from voxloop.config import find_config, load_config, resolved
from voxloop.evaluation.answers import (
    ANSWERS_SCHEMA,
    CHALLENGER,
    CHAMPION,
    answers_of,
    describe_row,
    read_answers,
    write_answers,
)
from voxloop.evaluation.case import Known
from voxloop.evaluation.gate import judge_evaluation
from voxloop.evaluation.golden import GoldenReport
from voxloop.evaluation.judgement import Bootstrap, Judgement
from voxloop.evaluation.measures import count_answers, measure_answers
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import (
    ANSWERS_NAME,
    EVALUATION_NAME,
    TEST_SPLIT,
    Champion,
    Evaluation,
    MeasuresOfBoth,
    SetReport,
)
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.store.digests import canonical_json, digest_file
from voxloop.tasks import emotion, get_task

LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
RIVAL = Champion(version=3, model_digest="c" * 64, labels=LABELS)

POLICY = GatePolicy.model_validate(
    {
        "version": 1,
        "claim": "new speakers",
        "minimum_utterances": 96,
        "minimum_per_label": 8,
        "measures": {"uar": {"limit": 0.5, "comparison": {"kind": "non_inferiority", "margin": 0.03}}},
    }
)
SLICES = {"by": ["gender"], "measure": "uar", "margin": 0.15}


WORD = Bootstrap(because="the first of its kind, heard by two people")


def judge(
    folder: Path,
    policy: GatePolicy = POLICY,
    bootstrap: Bootstrap | None = None,
    reason_set: str | None = None,
    task: str = "emotion",
    known: Known | None = None,
) -> Judgement:
    """Return what the gate says about a folder that was asked as it had to be."""
    return judge_evaluation(
        folder,
        policy,
        policy_name="by-hand",
        task=task,
        bootstrap=bootstrap,
        reason_set=reason_set,
        asked=read_asked(folder),
        known=known,
    )


def read_asked(folder: Path) -> ScoringConfig:
    """Return how the models of a folder were asked; where it does not say, how those of emotion are."""
    try:
        return ScoringConfig.model_validate(json.loads((folder / EVALUATION_NAME).read_text())["configuration"])
    except (OSError, ValueError, KeyError):
        return load_shipped("emotion")


@cache
def load_shipped(task: str) -> ScoringConfig:
    """Return how models of a family are asked."""
    return load_config(ScoringConfig, find_config("evaluation", task))


def changed_policy(**changes: object) -> GatePolicy:
    """Return `POLICY` with some keys changed."""
    return GatePolicy.model_validate({**POLICY.model_dump(), **changes})


def policy_of(**changes: object) -> GatePolicy:
    """Return `POLICY` with some keys of its one measure changed."""
    rule = {**POLICY.model_dump()["measures"]["uar"], **changes}
    return changed_policy(measures={"uar": rule})


def make_answers(
    *,
    speakers: int = 10,
    repeats: int = 5,
    challenger: float = 0.97,
    champion: float | None = 0.8,
    seed: int = 7,
    labels: Sequence[str] = LABELS,
    evaluation_set: str = TEST_SPLIT,
) -> pa.Table:
    """Return answers to `repeats` utterances a speaker and label, right with the given probabilities."""
    rng = np.random.default_rng(seed)
    rates = {CHALLENGER: challenger} | ({} if champion is None else {CHAMPION: champion})
    rows = [
        describe_row(
            evaluation_set,
            model,
            {
                "utterance_id": f"s{speaker:02d}-{label}-{repeat}",
                "speaker_id": f"s{speaker:02d}",
                "gender": "female" if speaker % 2 else "male",
                "age": 20 + speaker,
                "language": "en",
                "source": "by hand",
                "duration_s": 1.5,
                "snr_db": 25.0,
            },
            {"emotion": label},
            make_answer(label, labels, correct=rng.random() < rate),
        )
        for model, rate in rates.items()
        for speaker in range(speakers)
        for label in labels
        for repeat in range(repeats)
    ]
    return pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)


def write_evaluation(
    folder: Path,
    table: pa.Table,
    *,
    champion: Champion | None = RIVAL,
    ever: bool = True,
    task: str = "emotion",
    model_digest: str = "a" * 64,
    labels: Sequence[str] = LABELS,
    unlabelled: int = 0,
    encoding: Any = None,
) -> Path:
    """Write an evaluation folder whose report agrees with its answers."""
    folder.mkdir(parents=True, exist_ok=True)
    write_answers(table, folder / ANSWERS_NAME)
    write_report(
        folder,
        champion=champion,
        ever=ever,
        task=task,
        model_digest=model_digest,
        labels=labels,
        unlabelled=unlabelled,
        encoding=encoding,
    )
    return folder


def write_report(
    folder: Path,
    *,
    champion: Champion | None = RIVAL,
    ever: bool = True,
    task: str = "emotion",
    model_digest: str = "a" * 64,
    labels: Sequence[str] = LABELS,
    unlabelled: int = 0,
    encoding: Any = None,
) -> None:
    """Write `evaluation.json` from the answers that lie in `folder`."""
    table = read_answers(folder / ANSWERS_NAME)
    encoding = encoding or emotion.EmotionEncoding(labels=tuple(labels), weights=(1.0,) * len(labels))
    family = task if isinstance(encoding, get_task(task).Encoding) else "emotion"
    Evaluation(
        task=task,
        dataset_digest="d" * 64,
        model_digest=model_digest,
        answers_digest=digest_file(folder / ANSWERS_NAME),
        champion=champion,
        champion_ever=ever,
        labels=encoding.labels,
        encoding=encoding.model_dump(mode="json"),
        sets=tuple(_report(table, name, family, encoding, unlabelled) for name in _set_names(table)),
        configuration=resolved(load_shipped(family)),
    ).write(folder)
    GoldenReport(
        challenger_digest=model_digest,
        champion_digest=None if champion is None else champion.model_digest,
        challenger_ms=5.0,
        champion_ms=None if champion is None else 5.0,
        challenger_bytes=10**6,
        champion_bytes=None if champion is None else 10**6,
        challenger_memory_bytes=10**7,
        champion_memory_bytes=None if champion is None else 10**7,
        words_on_silence=0.0 if task == "asr" else None,
    ).write(folder)


def _set_names(table: pa.Table) -> list[str]:
    return sorted(table["evaluation_set"].unique().to_pylist()) or [TEST_SPLIT]


def _report(table: pa.Table, name: str, family: str, encoding: Any, unlabelled: int) -> SetReport:
    ours, theirs = answers_of(table, name, CHALLENGER), answers_of(table, name, CHAMPION)
    task = get_task(family)
    return SetReport(
        name=name,
        digest="e" * 64,
        counted=name != TEST_SPLIT,
        counts=count_answers(ours, unlabelled, encoding),
        measures=MeasuresOfBoth(
            challenger=measure_answers(ours, task, encoding), champion=measure_answers(theirs, task, encoding)
        ),
    )


def reference_of(label: str) -> str:
    """Return a reference as it is written."""
    return canonical_json({"emotion": label})


def make_answer(label: str, labels: Sequence[str] = LABELS, *, correct: bool) -> dict[str, Any]:
    """Return an answer of the family, right or the next label."""
    wrong = labels[(labels.index(label) + 1) % len(labels)]
    predicted = label if correct else wrong
    return {"emotion": predicted, "probabilities": {name: 0.9 if name == predicted else 0.02 for name in labels}}
