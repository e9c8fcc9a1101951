"""Answers under changed conditions made by hand, and a report that agrees with them, as `cases` makes evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.unit.evaluation.cases import LABELS, changed_policy, make_answer
from voxloop.config import build_config, find_config, load_config, resolved
from voxloop.evaluation.answers import CHALLENGER, CHAMPION, Answers, answers_of, read_answers
from voxloop.evaluation.behaviour import CLEAN, MinimumFunction
from voxloop.evaluation.changed_answers import (
    CHANGED_SCHEMA,
    describe_changed,
    name_request,
    read_changed,
    write_changed,
)
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import ANSWERS_NAME, EVALUATION_NAME, Evaluation, read_json_record
from voxloop.evaluation.robustness import CHANGED_NAME, Changed, RobustnessReport, figure_robustness
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.store.digests import digest_file
from voxloop.tasks import get_task

CONFIG = build_config(
    ScoringConfig,
    {
        "batch": 4,
        "pool": 8,
        "threads": 1,
        "changes": {
            "seed": 5,
            "utterances": 200,
            "conditions": {
                "noise": {"kind": "noise", "snr_db": 10},
                "telephone": {"kind": "telephone"},
                "louder": {"kind": "gain", "db": 1},
            },
        },
        "behaviour": {
            "same label louder": {"kind": "invariance", "condition": "louder", "of": "label"},
            "not surer in noise": {"kind": "direction", "condition": "noise", "of": "confidence", "goes": "down"},
            "answered": {"kind": "minimum function", "requests": "golden", "seconds": [1.0, 2.0], "asks": "whole"},
        },
    },
    origin="by hand",
)
ROBUST = {"measure": "uar", "margin": 0.15, "conditions": {"noise": {}, "telephone": {}}}
BEHAVED = {"shares": {"same label louder": 0.9, "answered": 1.0}}


def robust_policy(**changes: Any) -> GatePolicy:
    """Return a policy that asks about changed rows and behaviour, with some keys of the former changed."""
    return changed_policy(robustness={**ROBUST, **changes}, behaviour=BEHAVED)


def make_changed(
    folder: Path, *, challenger: float = 0.95, champion: float = 0.8, louder: float = 1.0, seed: int = 3
) -> list[dict[str, Any]]:
    """Return rows of `CHANGED_SCHEMA` for an evaluation folder: right with these probabilities, as they were at `louder`.

    Args:
        folder: Written by `write_evaluation`.
        challenger: Share that is right under `noise` and `telephone`.
        champion: The same of the champion.
        louder: Share of the challenger's answers that stay what they are under `louder`.
        seed: Of chance.
    """
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for model, answers in _chosen(folder).items():
        rate = challenger if model == CHALLENGER else champion
        for place, name in enumerate(answers.utterance_ids.tolist()):
            label, speaker = answers.references[place]["emotion"], str(answers.speaker_ids[place])
            for asked in ("noise", "telephone"):
                found = make_answer(label, correct=bool(draw.random() < rate))
                rows.append(describe_changed(asked, name, speaker, model, found))
            other = make_answer(_next_label(answers, place), correct=True)
            kept = answers.answers[place] if draw.random() < louder else other
            rows.append(describe_changed("louder", name, speaker, model, kept))
        for place in range(2):
            rows.append(
                describe_changed("answered", name_request(place), None, model, make_answer(LABELS[0], correct=True))
            )
    return rows


def write_changed_rows(
    folder: Path, rows: Sequence[Mapping[str, Any]], *, config: ScoringConfig = CONFIG, **changes: Any
) -> Path:
    """Write `robustness.parquet` and a report that agrees with it, some keys of which are changed.

    The evaluation says that it was asked so.
    """
    write_changed(pa.Table.from_pylist(list(rows), schema=CHANGED_SCHEMA), folder / CHANGED_NAME)
    evaluation = read_json_record(Evaluation, folder / EVALUATION_NAME)
    told = config.model_copy(update={"changes": changes.get("changes", config.changes)})
    evaluation.model_copy(update={"configuration": resolved(told)}).write(folder)
    assert config.changes is not None
    changed = changed_of(folder, config)
    known = {
        "task": evaluation.task,
        "evaluation_set": evaluation.sets[0].name,
        "model_digest": evaluation.model_digest,
        "champion_digest": evaluation.champion.model_digest
        if evaluation.champion and len(changed.models) > 1
        else None,
        "answers_digest": evaluation.answers_digest,
        "changed_digest": digest_file(folder / CHANGED_NAME),
        "changes": config.changes,
        "tests": config.behaviour,
        "requests": dict.fromkeys(config.changes.conditions, "f" * 64),
    }
    figures = changes.pop("figures", None) or figure_robustness(changed, config.changes.level)
    RobustnessReport.model_validate({**known, "figures": figures, **changes}).write(folder)
    return folder


def changed_of(folder: Path, config: ScoringConfig = CONFIG) -> Changed:
    """Return the answers under changed conditions that lie in a folder."""
    evaluation = read_json_record(Evaluation, folder / EVALUATION_NAME)
    task = get_task(evaluation.task)
    assert config.changes is not None
    return Changed(
        table=read_changed(folder / CHANGED_NAME),
        whole=_whole(folder, evaluation),
        changes=config.changes,
        tests=config.behaviour,
        task=task,
        encoding=task.Encoding.model_validate(evaluation.encoding),
    )


def needed_rows() -> dict[str, int]:
    """Return how many made-up requests each test of `CONFIG` has."""
    return {name: len(one.seconds) for name, one in CONFIG.behaviour.items() if isinstance(one, MinimumFunction)}


def _whole(folder: Path, evaluation: Evaluation) -> dict[str, Answers]:
    table = read_answers(folder / ANSWERS_NAME)
    return {name: answers_of(table, evaluation.sets[0].name, name) for name in (CHALLENGER, CHAMPION)}


def write_unmoved(folder: Path) -> Path:
    """Write changed rows under the shipped conditions of emotion, each answered as the row as it is."""
    config = load_config(ScoringConfig, find_config("evaluation", "emotion"))
    assert config.changes is not None
    rows: list[dict[str, Any]] = []
    for model, answers in _chosen(folder, config).items():
        for name, speaker, answer in zip(answers.utterance_ids, answers.speaker_ids, answers.answers, strict=True):
            rows += [describe_changed(one, str(name), str(speaker), model, answer) for one in config.changes.conditions]
        for test, asked in config.behaviour.items():
            if isinstance(asked, MinimumFunction):
                whole = make_answer(LABELS[0], correct=True)
                places = range(len(asked.seconds))
                rows += [describe_changed(test, name_request(place), None, model, whole) for place in places]
    return write_changed_rows(folder, rows, config=config)


def _chosen(folder: Path, config: ScoringConfig = CONFIG) -> dict[str, Answers]:
    evaluation = read_json_record(Evaluation, folder / EVALUATION_NAME)
    task = get_task(evaluation.task)
    assert config.changes is not None
    empty = pa.Table.from_pylist([], schema=CHANGED_SCHEMA)
    encoding = task.Encoding.model_validate(evaluation.encoding)
    return Changed(empty, _whole(folder, evaluation), config.changes, {}, task, encoding).clean


def _next_label(answers: Answers, place: int) -> str:
    said = answers.answers[place]
    assert said is not None
    return LABELS[(LABELS.index(said["emotion"]) + 1) % len(LABELS)]


__all__ = [
    "BEHAVED",
    "CLEAN",
    "CONFIG",
    "ROBUST",
    "changed_of",
    "make_changed",
    "robust_policy",
    "write_changed_rows",
    "write_unmoved",
]
