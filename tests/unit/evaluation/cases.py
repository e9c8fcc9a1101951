"""Evaluations made by hand: answers of a chosen quality, written the way `evaluate` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from voxloop.evaluation.answers import ANSWERS_SCHEMA, CHALLENGER, CHAMPION, answers_of, read_answers, write_answers
from voxloop.evaluation.gate import judge_evaluation
from voxloop.evaluation.judgement import Bootstrap, Judgement
from voxloop.evaluation.measures import measure_answers
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import ANSWERS_NAME, Champion, Counts, Evaluation, MeasuresOfBoth
from voxloop.store.digests import digest_file

LABELS = ("anger", "fear", "happiness", "neutral", "sadness", "surprise")
RIVAL = Champion(version=3, model_digest="c" * 64, labels=LABELS)

POLICY = GatePolicy.model_validate(
    {
        "version": 1,
        "claim": "new speakers",
        "minimum_utterances": 96,
        "minimum_per_label": 8,
        "floor_uar": 0.5,
        "comparison": {"kind": "non_inferiority", "margin": 0.03},
    }
)


WORD = Bootstrap(because="the first of its kind, heard by two people")


def judge(folder: Path, policy: GatePolicy = POLICY, bootstrap: Bootstrap | None = None) -> Judgement:
    """Return what the gate says about a folder."""
    return judge_evaluation(folder, policy, policy_name="by-hand", task="emotion", bootstrap=bootstrap)


def changed_policy(**changes: object) -> GatePolicy:
    """Return `POLICY` with some keys changed."""
    return GatePolicy.model_validate({**POLICY.model_dump(), **changes})


def make_answers(
    *,
    speakers: int = 10,
    repeats: int = 5,
    challenger: float = 0.97,
    champion: float | None = 0.8,
    seed: int = 7,
    labels: Sequence[str] = LABELS,
) -> pa.Table:
    """Return answers to `repeats` utterances a speaker and label, right with the given probabilities."""
    rng = np.random.default_rng(seed)
    rates = {CHALLENGER: challenger} | ({} if champion is None else {CHAMPION: champion})
    rows = [
        {
            "utterance_id": f"s{speaker:02d}-{label}-{repeat}",
            "speaker_id": f"s{speaker:02d}",
            "gender": "female" if speaker % 2 else "male",
            "source": "by hand",
            "duration_s": 1.5,
            "model": model,
            "reference": label,
            **_answer(label, labels, correct=rng.random() < rate),
        }
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
) -> None:
    """Write `evaluation.json` from the answers that lie in `folder`."""
    table = read_answers(folder / ANSWERS_NAME)
    ours, theirs = answers_of(table, CHALLENGER), answers_of(table, CHAMPION)
    Evaluation(
        task=task,
        dataset_digest="d" * 64,
        model_digest=model_digest,
        answers_digest=digest_file(folder / ANSWERS_NAME),
        champion=champion,
        champion_ever=ever,
        labels=tuple(labels),
        counts=Counts(
            utterances=len(ours),
            speakers=ours.speaker_count(),
            unlabelled=unlabelled,
            per_label=ours.per_label(labels),
        ),
        measures=MeasuresOfBoth(challenger=measure_answers(ours, labels), champion=measure_answers(theirs, labels)),
    ).write(folder)


def _answer(label: str, labels: Sequence[str], *, correct: bool) -> dict[str, object]:
    wrong = labels[(labels.index(label) + 1) % len(labels)]
    predicted = label if correct else wrong
    return {"predicted": predicted, "probabilities": [0.9 if name == predicted else 0.02 for name in labels]}
