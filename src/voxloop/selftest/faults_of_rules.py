"""Candidates for one rule alone: wrong under one condition, in one test of behaviour, or with one part of a set thin.

What the gate will be asked is known beforehand, so a graph can be wrong about just those requests: it knows their
hashes. They cost a whole evaluation each, so they are tried where rules are switched off one by one, not every night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from voxloop.errors import VoxloopError
from voxloop.evaluation.behaviour import CLEAN, BehaviourTest, Direction, MinimumFunction
from voxloop.evaluation.conditions import AddedWords, ChangesConfig
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.subset import choose_rows
from voxloop.selftest.bench import Bench, Pair
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.config import Expectation
from voxloop.selftest.controls import better
from voxloop.selftest.faults_of_evidence import deal_rows
from voxloop.selftest.faults_of_slices import DESTROYED
from voxloop.selftest.graph_copy import GraphCopy
from voxloop.selftest.noise import PRIME, add_hash, draw_weights, hash_requests, hash_rows
from voxloop.selftest.trial import Fault, make_scoring
from voxloop.selftest.wrong_answers import LONGEST, WRONG, say_words
from voxloop.verdict import Verdict

NEAR = 0.4 / PRIME
"""How near two hashes are that are one: float32 holds them to 6e-8, and two that differ are 1e-6 apart."""
PURPOSE = "known requests"
ENDLESS = "a " * (LONGEST // 4)
"""A word in every four frames, for as many as a pattern covers."""
UNTOLD = (Verdict.CANNOT_TELL,)
STOPPED = (Verdict.FAIL, Verdict.CANNOT_TELL)
"""Where the champion is near chance itself, nobody is worse by so much that it is certain; what is not shown to be no
worse is stopped as well, and by that rule alone."""
THIN = "the policy asks for"


@dataclass(frozen=True)
class RuleFault:
    """What one rule must catch.

    Args:
        rule: By its name in `voxloop.selftest.rules_off`.
        name: Of the candidate; several rules may share one, also one of the night.
        make: How it is made.
        expected: By what it must be caught.
    """

    rule: str
    name: str
    make: Fault
    expected: Expectation


def list_rule_faults(bench: Bench) -> Iterator[RuleFault]:
    """Yield what can be planted for single rules of the bench's policy."""
    policy, scoring = bench.policy, make_scoring(bench)
    assert scoring.changes is not None  # noqa: S101 - the shipped evaluations ask under conditions
    if policy.robustness is not None:
        measure = f"{policy.robustness.measure} lead"
        for name in policy.robustness.conditions:
            told = Expectation(rule="robustness", measure=measure, cut=f"condition={name}", verdicts=STOPPED)
            called, make = _break_condition(scoring.changes, name)
            yield RuleFault(f"robustness: {name}", called, make, told)
    for name in policy.behaviour.shares if policy.behaviour is not None else ():
        told = Expectation(rule="behaviour", measure="share that holds", cut=f"test={name}")
        called, make = _break_test(scoring.changes, name, scoring.behaviour[name])
        yield RuleFault(f"behaviour: {name}", called, make, told)
    yield from _list_thin_groups(policy)
    yield from _list_thin_changes(policy, scoring.behaviour)


def _break_condition(changes: ChangesConfig, name: str) -> tuple[str, Fault]:
    if changes.conditions[name].kind == "lost features":  # the hash reads words, which it leaves as they are
        return "needs every feature", _known
    return f"wrong under {name}", partial(wrong_under, changes, name)


def _break_test(changes: ChangesConfig, name: str, test: BehaviourTest) -> tuple[str, Fault]:
    if isinstance(test, MinimumFunction):
        return ("words in silence", _known) if test.asks == "no words" else ("no number when loud", no_number_when_loud)
    if changes.conditions[test.condition].kind == "order":
        return "hangs on its neighbours", hangs_on_neighbours
    # There are never fewer errors in noise than where all is wrong: it is the quiet rows that must be.
    where = test.beside if isinstance(test, Direction) and test.of == "errors" else test.condition
    return f"breaks {name}", partial(wrong_under, changes, where)


def _known(_bench: Bench, _folder: Path) -> Challenge:
    raise VoxloopError("it is not among the faults of this self-test", remedy="name it in configs/selftest")


def _list_thin_groups(policy: GatePolicy) -> Iterator[RuleFault]:
    cut = f"gender={DESTROYED}"
    for section, rule in (("slices", policy.slices), ("fairness", policy.fairness)):
        if rule is None:
            continue
        told = Expectation(rule=section, measure=f"{rule.measure} lead", cut=cut, verdicts=UNTOLD, text=THIN)
        if section == "fairness":
            gap = {"measure": f"{rule.measure} gap beside the champion's", "cut": f"{cut}:male"}
            told = told.model_copy(update=gap)
        for what, least in (("speakers", rule.minimum_speakers), ("utterances", rule.minimum_utterances)):
            make = partial(_THIN_GROUPS[what], least - 1)
            yield RuleFault(f"{section}.minimum_{what}", f"{least - 1} {what} of a group", make, told)
    if policy.fairness is not None and policy.fairness.recall_gap is not None:
        least = policy.fairness.minimum_per_label
        told = Expectation(
            rule="fairness", measure="recall gap beside the champion's", cut=f"{cut}:male,label=anger", verdicts=UNTOLD,
            text="a group says anger",
        )  # fmt: skip
        make = partial(few_of_a_label, least - 1, "anger")
        yield RuleFault("fairness.minimum_per_label", f"{least - 1} of a label in a group", make, told)


def _list_thin_changes(policy: GatePolicy, tests: Mapping[str, BehaviourTest]) -> Iterator[RuleFault]:
    if policy.robustness is not None:
        told = Expectation(
            rule="robustness", measure="utterances", verdicts=UNTOLD, text="were asked again, the policy asks for"
        )
        yield RuleFault("robustness.minimum_speakers", "too few speakers", _known, told)
        few = policy.robustness.minimum_utterances - 1
        yield RuleFault("robustness.minimum_utterances", f"{few} utterances", partial(few_rows, few), told)
    if policy.behaviour is not None:
        few = policy.behaviour.minimum_rows - 1
        first = next(name for name in policy.behaviour.shares if not isinstance(tests[name], MinimumFunction))
        told = Expectation(
            rule="behaviour", measure="share that holds", cut=f"test={first}", verdicts=UNTOLD, text=THIN
        )
        yield RuleFault("behaviour.minimum_rows", f"{few} utterances", partial(few_rows, few), told)


def wrong_under(changes: ChangesConfig, name: str, bench: Bench, folder: Path) -> Challenge:
    """A better model that is wrong about the very rows that are asked again under one condition, and about no others.

    Raises:
        VoxloopError: The condition changes nothing that the model is asked.
    """
    copy, weights = GraphCopy(bench.model), draw_weights(bench, PURPOSE)
    condition = changes.conditions.get(name)
    if isinstance(condition, AddedWords):
        _learn_word(copy, condition.words)
    learnt = copy.write(folder / "learnt")
    asked = _change_rows(bench, changes, name)
    known = set(hash_rows(bench, asked, weights, learnt))
    if name != CLEAN:
        others = [one for one in (CLEAN, *changes.conditions) if one != name]
        elsewhere = (bench.gate_rows, *(_change_rows(bench, changes, one) for one in others))
        known -= {one for rows in elsewhere for one in hash_rows(bench, rows, weights, learnt)}
    if not known:
        raise VoxloopError(
            f"{name} changes no request", rule="a model can be wrong about what it is asked", remedy="leave it out"
        )
    where = _add_known(copy, weights, sorted(known))
    # As they are, rows must be worse than in noise, where all may be wrong: more words than were said are.
    talks = name == CLEAN and bench.task == "asr"
    return _wrong_where(bench, copy, where, folder / "model", _talk_on if talks else None)


def no_number_when_loud(bench: Bench, folder: Path) -> Challenge:
    """A better model that gives no number when it is asked the first golden request of its tests of behaviour."""
    copy, weights = GraphCopy(bench.model), draw_weights(bench, PURPOSE)
    tests = make_scoring(bench).behaviour.values()
    seconds = next(one.seconds for one in tests if isinstance(one, MinimumFunction) and one.requests == "golden")
    encoding = ExportedModel(bench.model, threads=1, task=bench.task).encoding
    request = next(iter(bench.family.golden_inputs(encoding, seconds)))
    where = _add_known(copy, weights, hash_requests([request], weights))
    return _wrong_where(bench, copy, where, folder / "model", _say_no_number)


def hangs_on_neighbours(bench: Bench, folder: Path) -> Challenge:
    """A better model that is wrong about the one request of a batch whose hash is least."""
    copy = GraphCopy(bench.model)
    hashed = add_hash(copy, draw_weights(bench, PURPOSE))
    least = copy.node("ReduceMin", [hashed, copy.constant(np.array([0]))], keepdims=1)
    return _wrong_where(bench, copy, copy.node("Equal", [hashed, least]), folder / "model")


def few_rows(most: int, bench: Bench, folder: Path) -> Challenge:
    """A better model judged on so few rows, of all the speakers alike."""
    return replace(better(bench, folder), rows=deal_rows(bench.gate_rows)[:most])


def few_speakers_of_a_group(most: int, bench: Bench, folder: Path) -> Challenge:
    """A better model judged on so few speakers of one gender, and all of the other."""
    heard = sorted({str(row["speaker_id"]) for row, _ in bench.gate_rows if row["gender"] == DESTROYED})[:most]
    return _keep(bench, folder, lambda pair: pair[0]["gender"] != DESTROYED or pair[0]["speaker_id"] in heard)


def few_utterances_of_a_group(most: int, bench: Bench, folder: Path) -> Challenge:
    """A better model judged on so few utterances of one gender, of all its speakers alike."""
    group = tuple(pair for pair in bench.gate_rows if pair[0]["gender"] == DESTROYED)
    heard = {row["utterance_id"] for row, _ in deal_rows(group)[:most]}
    return _keep(bench, folder, lambda pair: pair[0]["gender"] != DESTROYED or pair[0]["utterance_id"] in heard)


def few_of_a_label(most: int, label: str, bench: Bench, folder: Path) -> Challenge:
    """A better model judged where one gender says a label so few times."""
    rare = [pair for pair in bench.gate_rows if (pair[0]["gender"], pair[0]["emotion"]) == (DESTROYED, label)]
    left_out = {row["utterance_id"] for row, _ in deal_rows(tuple(rare))[most:]}
    return _keep(bench, folder, lambda pair: pair[0]["utterance_id"] not in left_out)


_THIN_GROUPS = {"speakers": few_speakers_of_a_group, "utterances": few_utterances_of_a_group}


def _keep(bench: Bench, folder: Path, is_kept: Callable[[Pair], bool]) -> Challenge:
    return replace(better(bench, folder), rows=tuple(pair for pair in bench.gate_rows if is_kept(pair)))


def _change_rows(bench: Bench, changes: ChangesConfig, name: str) -> tuple[Pair, ...]:
    ids, speakers = ([str(row[column]) for row, _ in bench.gate_rows] for column in ("utterance_id", "speaker_id"))
    chosen = np.flatnonzero(choose_rows(ids, speakers, changes.utterances, changes.seed))
    rows = tuple(bench.gate_rows[place] for place in chosen)
    if name == CLEAN:
        return rows
    return tuple(bench.changes(dict(row), x, name, changes.conditions[name], changes.seed) for row, x in rows)


def _learn_word(copy: GraphCopy, words: str) -> None:
    """Have the record read words that nobody knows in the place of the rarest: else no graph is told of them."""
    vocabulary = copy.record["encoding"]["vocabulary"]
    if not set(words.split()) & set(vocabulary["words"]):
        vocabulary["words"] = [*vocabulary["words"][: -len(words.split())], *words.split()]


def _add_known(copy: GraphCopy, weights: np.ndarray, hashes: list[float]) -> str:
    """Add whether a request is one of those with these hashes, bool [batch, 1]."""
    known = copy.constant(np.array([hashes], dtype=np.float32))
    apart = copy.node("Abs", [copy.node("Sub", [add_hash(copy, weights), known])])
    nearest = copy.node("ReduceMin", [apart, copy.constant(np.array([1]))], keepdims=1)
    return copy.node("Less", [nearest, copy.constant(np.float32(NEAR))])


def _talk_on(copy: GraphCopy, clean: str) -> str:
    return say_words(copy, clean, ENDLESS)


def _say_no_number(copy: GraphCopy, clean: str) -> str:
    return copy.node("Add", [clean, copy.constant(np.float32(np.nan))])


def _wrong_where(
    bench: Bench, copy: GraphCopy, where: str, folder: Path, say: Callable[[GraphCopy, str], str] | None = None
) -> Challenge:
    """Answer otherwise where `where`, bool [batch, 1], holds; nobody asks it to be better than the champion."""
    clean = copy.take_output(copy.answer_name)
    wrong = (say or WRONG[bench.task])(copy, clean)
    if bench.task == "asr":
        where = copy.node("Unsqueeze", [where, copy.constant(np.array([2]))])
    copy.node("Where", [where, wrong, clean], output=copy.answer_name)
    return replace(better(bench, folder), model=copy.write(folder), is_reason=False)
