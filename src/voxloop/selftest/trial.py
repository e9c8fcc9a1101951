"""One candidate through the gate, by the code that production uses, and whether it was caught for the right reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from voxloop.config import find_config, load_config
from voxloop.errors import VoxloopError
from voxloop.evaluation.case import Known
from voxloop.evaluation.evaluate import EvaluationRows, evaluate_model
from voxloop.evaluation.gate import judge_evaluation
from voxloop.evaluation.golden import measure_golden
from voxloop.evaluation.judgement import Judgement
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.report import TEST_SPLIT
from voxloop.evaluation.scoring import ScoringConfig
from voxloop.selftest import (
    controls,
    faults_of_conditions,
    faults_of_evidence,
    faults_of_graph,
    faults_of_service,
    faults_of_slices,
)
from voxloop.selftest import faults_of_training as taught
from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge, DataAnswer, Objection
from voxloop.selftest.config import Expectation
from voxloop.store.atomic import write_file
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

POOL = 1024
"""Utterances in memory at once: all that a self-test judges on."""

Fault = Callable[[Bench, Path], Challenge | DataAnswer]

FAULTS: dict[str, Fault] = {
    "shuffled labels": taught.shuffled_labels,
    "training on the evaluation set": taught.trained_on_evaluation,
    "wrong sample rate": faults_of_graph.wrong_sample_rate,
    "NaN weights": faults_of_graph.nan_weights,
    "always the majority": faults_of_graph.always_majority,
    "swapped label order": faults_of_graph.swapped_labels,
    "truncated vocabulary": faults_of_graph.truncated_vocabulary,
    "stale copy": faults_of_graph.stale_copy,
    "stale copy, saved again": faults_of_graph.stale_copy_saved_again,
    "never in doubt": faults_of_graph.never_in_doubt,
    "certain and often wrong": faults_of_graph.certain_and_often_wrong,
    "one slice destroyed": faults_of_slices.destroyed_slice,
    "unfair in one label": faults_of_slices.unfair_in_one_label,
    "unfair to a group": faults_of_slices.unfair_to_a_group,
    "deaf in noise": faults_of_conditions.deaf_in_noise,
    "needs every word": faults_of_conditions.needs_every_word,
    "needs every feature": faults_of_conditions.needs_every_feature,
    "hangs on the level": faults_of_conditions.hangs_on_level,
    "hangs on the batch": faults_of_conditions.hangs_on_batch,
    "noise of twice the margin": controls.noise,
    "worse where it must be better": controls.worse_for_a_reason,
    "words in silence": faults_of_service.hears_words_in_silence,
    "20 times slower": faults_of_service.slow,
    "twice the size": faults_of_service.twice_the_size,
    "hungry for memory": faults_of_service.hungry,
    "too few speakers": faults_of_evidence.few_speakers,
    "too few utterances": faults_of_evidence.few_utterances,
    "a label hardly there": faults_of_evidence.rare_label,
    "easier questions": faults_of_evidence.easier_questions,
    "a frozen set left out": faults_of_evidence.left_out_set,
}


@dataclass(frozen=True)
class Evidence:
    """What a candidate was found to be; it can be judged again under another policy.

    Args:
        name: Of the fault or control.
        task: Family.
        seed: Of the bench.
        evaluation: Folder written by `evaluate_model`; None where the data were refused, or nothing could be evaluated.
        asked: How it had to be asked.
        is_reason: Whether the set gave the reason for the retraining.
        true_loss: See `Challenge`.
        known_sets: See `Challenge`.
        data: What was said of the data.
        crash: Why there is no evaluation.
    """

    name: str
    task: str
    seed: int
    evaluation: Path | None
    asked: ScoringConfig
    is_reason: bool = False
    true_loss: float | None = None
    known_sets: Mapping[str, str] = field(default_factory=dict)
    data: DataAnswer | None = None
    crash: str = ""


@dataclass(frozen=True)
class Outcome:
    """What the gate said of one candidate.

    Args:
        name: Of the fault or control.
        task: Family.
        seed: Of the bench.
        verdict: The verdict; None where there was none.
        reason: The first objection that was expected, else the first there was.
        good: For a fault: caught, and for the reason expected. For a control: it passed.
        is_control: Which of both.
        true_loss: See `Challenge`.
    """

    name: str
    task: str
    seed: int
    verdict: Verdict | None
    reason: str
    good: bool
    is_control: bool
    true_loss: float | None = None


def collect_evidence(name: str, make: Fault, bench: Bench) -> Evidence:
    """Make a candidate and evaluate it."""
    folder = bench.folder / "candidates" / name.replace(" ", "-")
    folder.mkdir(parents=True)
    blank = Evidence(name, bench.task, bench.seed, None, make_scoring(bench))
    try:
        made = make(bench, folder / "candidate")
        if isinstance(made, DataAnswer):
            return replace(blank, data=made)
        evaluation = _evaluate(made, bench, blank.asked, folder)
    except Exception as crash:  # noqa: BLE001 - one candidate that cannot be made is missed; the others are still tried
        return replace(blank, crash=describe_crash(crash))
    return replace(
        blank,
        evaluation=evaluation,
        is_reason=made.is_reason,
        true_loss=made.true_loss,
        known_sets=made.known_sets,
    )


def describe_crash(crash: Exception) -> str:
    """Return an exception on one line; of one that was not raised on purpose its kind as well."""
    text = " ".join(str(crash).split())
    return text if isinstance(crash, VoxloopError) else f"{type(crash).__name__}: {text}"


def _evaluate(made: Challenge, bench: Bench, asked: ScoringConfig, folder: Path) -> Path:
    out, champion = folder / "evaluation", folder / "champion"
    out.mkdir()
    champion.mkdir()
    (champion / "model").symlink_to(made.champion.absolute(), target_is_directory=True)
    known = {"version": 1, "model_digest": digest_tree(made.champion), "ever": True}
    write_file(champion / "champion.json", json.dumps(known) + "\n")
    dataset_digest = digest_tree(bench.dataset)
    config = asked.model_copy(update=made.changed)
    rows = [EvaluationRows(TEST_SPLIT, dataset_digest, counted=False, rows=[(dict(row), x) for row, x in made.rows])]
    evaluate_model(
        made.model,
        rows,
        champion,
        out,
        task=bench.task,
        dataset_digest=dataset_digest,
        config=config,
        change=bench.changes,
    )
    measure_golden(made.model, made.champion, config.golden, threads=config.threads).write(out)
    return out


def make_scoring(bench: Bench) -> ScoringConfig:
    """Return how candidates are asked: the shipped conditions and tests of behaviour, in one thread."""
    shipped = load_config(ScoringConfig, find_config("evaluation", bench.task), bench.config.evaluation_overrides)
    ours = {"batch": bench.config.batch, "pool": POOL, "threads": 1, "golden": bench.config.golden}
    return shipped.model_copy(update=ours)


def judge_control(evidence: Evidence, policy: GatePolicy) -> Outcome:
    """Return whether a model that must pass does."""
    verdict, objections = _judge(evidence, policy)
    return Outcome(
        evidence.name,
        evidence.task,
        evidence.seed,
        verdict,
        objections[0].text if objections else "no objection",
        verdict is Verdict.PASS,
        is_control=True,
        true_loss=evidence.true_loss,
    )


def judge_fault(evidence: Evidence, policy: GatePolicy, expected: Expectation) -> Outcome:
    """Return whether a model that must not pass is caught by the rule that must catch it."""
    verdict, objections = _judge(evidence, policy)
    hits = [one for one in objections if matches(one, expected)]
    first = next(iter((*hits, *objections)), None)
    return Outcome(
        evidence.name,
        evidence.task,
        evidence.seed,
        verdict,
        first.text if first else evidence.crash or "no objection",
        bool(hits) and verdict is not None and verdict is not Verdict.PASS,
        is_control=False,
        true_loss=evidence.true_loss,
    )


def _judge(evidence: Evidence, policy: GatePolicy) -> tuple[Verdict | None, list[Objection]]:
    if evidence.data is not None:
        return evidence.data.verdict, [one for one in evidence.data.objections if one.verdict is not Verdict.PASS]
    if evidence.evaluation is None:
        return None, []
    judgement = judge_evaluation(
        evidence.evaluation,
        policy,
        policy_name="selftest",
        task=evidence.task,
        reason_set=TEST_SPLIT if evidence.is_reason else None,
        asked=evidence.asked,
        known=Known(sets=evidence.known_sets, champion_ever=True),
    )
    return judgement.verdict, read_objections(judgement)


def read_objections(judgement: Judgement) -> list[Objection]:
    """Return what a judgement has against a model."""
    found = [Objection(one.rule, one.measure, one.slice, one.verdict, one.text) for one in judgement.reasons]
    return [one for one in found if one.verdict is not Verdict.PASS]


def matches(found: Objection, expected: Expectation) -> bool:
    """Return whether an objection is the one expected."""
    cuts = (expected.cut,) if isinstance(expected.cut, str) else expected.cut
    return (
        (found.rule, found.measure) == (expected.rule, expected.measure)
        and found.cut in cuts
        and found.verdict in expected.verdicts
        and expected.text in found.text
    )
