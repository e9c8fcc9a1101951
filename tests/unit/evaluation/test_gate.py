"""The gate passes what is good, fails what is not, and says CANNOT_TELL about everything else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.unit.evaluation.cases import (
    RIVAL,
    WORD,
    changed_policy,
    judge,
    make_answers,
    write_evaluation,
)
from voxloop.evaluation import gate as gate_module
from voxloop.evaluation.answers import ANSWERS_SCHEMA
from voxloop.evaluation.gate import combine, write_judgement
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.judgement import Bootstrap, Judgement
from voxloop.evaluation.rules import MODEL_RULES, decide
from voxloop.verdict import Verdict


def objections(judgement: Judgement) -> dict[str, Verdict]:
    return {reason.rule: reason.verdict for reason in judgement.reasons if reason.verdict is not Verdict.PASS}


def text_of(judgement: Judgement, rule: str) -> str:
    return next(reason.text for reason in judgement.reasons if reason.rule == rule)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return an evaluation in which the challenger is better by 0.17 UAR, on 10 speakers and 300 utterances."""
    return write_evaluation(tmp_path / "evaluation", make_answers())


class TestComparison:
    def test_a_better_challenger_passes(self, good: Path) -> None:
        found = judge(good)
        assert found.verdict is Verdict.PASS
        assert objections(found) == {}
        assert found.interval is not None
        assert found.interval.low is not None
        assert found.interval.measure == "uar difference"
        assert -0.03 < found.interval.low < 0.17

    def test_every_reason_names_its_counts(self, good: Path) -> None:
        reasons = judge(good).reasons
        assert {(reason.utterances, reason.speakers) for reason in reasons if reason.slice == "all"} == {(300, 10)}
        assert {(r.utterances, r.speakers) for r in reasons if r.slice.startswith("label=")} == {(50, 10)}

    def test_a_worse_challenger_fails(self, tmp_path: Path) -> None:
        table = make_answers(challenger=0.75, champion=0.97)
        assert objections(judge(write_evaluation(tmp_path / "e", table))) == {"comparison": Verdict.FAIL}

    def test_a_challenger_below_the_floor_fails_beside_a_worse_champion(self, tmp_path: Path) -> None:
        table = make_answers(challenger=0.3, champion=0.1)
        assert objections(judge(write_evaluation(tmp_path / "e", table))) == {"floor": Verdict.FAIL}

    def test_an_interval_across_the_bound_cannot_tell(self, tmp_path: Path) -> None:
        table = make_answers(repeats=2, challenger=0.8, champion=0.8)
        assert objections(judge(write_evaluation(tmp_path / "e", table))) == {"comparison": Verdict.CANNOT_TELL}

    def test_an_equal_challenger_passes_on_enough_evidence(self, tmp_path: Path) -> None:
        table = make_answers(speakers=24, repeats=20, challenger=0.9, champion=0.9)
        assert judge(write_evaluation(tmp_path / "e", table)).verdict is Verdict.PASS

    def test_superiority_asks_for_more(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(challenger=0.9, champion=0.9))
        superior = changed_policy(comparison={"kind": "superiority", "margin": 0.0})
        assert judge(folder, superior).verdict is not Verdict.PASS

    @pytest.mark.parametrize(
        ("kind", "verdict"), [("superiority", Verdict.FAIL), ("non_inferiority", Verdict.CANNOT_TELL)]
    )
    def test_the_champion_itself_does_not_pass(self, tmp_path: Path, kind: str, verdict: Verdict) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(champion=0.97), model_digest=RIVAL.model_digest)
        found = judge(folder, changed_policy(comparison={"kind": kind, "margin": 0.03}))
        assert objections(found) == {"comparison": verdict}
        assert "the champion itself" in text_of(found, "comparison")

    def test_a_champion_with_other_labels_cannot_be_compared(self, tmp_path: Path) -> None:
        other = RIVAL.model_copy(update={"labels": ("anger", "boredom")})
        found = judge(write_evaluation(tmp_path / "e", make_answers(champion=None), champion=other))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}
        assert "boredom" in text_of(found, "comparison")

    def test_an_unscored_champion_cannot_be_compared(self, tmp_path: Path) -> None:
        found = judge(write_evaluation(tmp_path / "e", make_answers(champion=None)))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}


class TestClaim:
    def test_too_few_speakers_for_a_claim_about_new_ones(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=6, repeats=20))
        assert objections(judge(folder))["speakers"] is Verdict.CANNOT_TELL
        assert judge(folder).verdict is Verdict.CANNOT_TELL

    def test_two_speakers_are_enough_for_a_claim_about_these(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=2, repeats=20))
        found = judge(folder, changed_policy(claim="these speakers", minimum_speakers=2))
        assert found.verdict is Verdict.PASS
        assert found.claim_text == "2 speakers stand behind this claim; it says nothing about new speakers"
        assert found.claim_text in found.lines()[0]
        assert found.interval is not None
        assert "over utterances" in found.interval.method

    def test_a_thin_label_is_named(self, tmp_path: Path) -> None:
        table = make_answers(repeats=4)
        fear = pc.starts_with(table["utterance_id"], "s09-fear")
        thin = table.filter(pc.or_(pc.not_equal(table["reference"], "fear"), fear))
        found = judge(write_evaluation(tmp_path / "e", thin))
        reason = next(reason for reason in found.reasons if reason.rule == "labels")
        assert (reason.slice, reason.value, reason.bound, reason.verdict) == ("label=fear", 4, 8, "CANNOT_TELL")
        assert found.verdict is Verdict.CANNOT_TELL

    def test_a_label_of_one_speaker_says_nothing_about_new_ones(self, tmp_path: Path) -> None:
        table = make_answers(repeats=20)
        fear = pc.starts_with(table["utterance_id"], "s09-fear")
        lone = table.filter(pc.or_(pc.not_equal(table["reference"], "fear"), fear))
        assert objections(judge(write_evaluation(tmp_path / "e", lone)))["labels"] is Verdict.CANNOT_TELL


class TestBootstrap:
    def first(self, folder: Path, *, ever: bool = False, **quality: Any) -> Path:
        return write_evaluation(folder, make_answers(champion=None, **quality), champion=None, ever=ever)

    def test_no_champion_cannot_tell_and_says_what_to_do(self, tmp_path: Path) -> None:
        found = judge(self.first(tmp_path / "e"))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}
        assert "--bootstrap --because" in text_of(found, "comparison")

    def test_the_first_ever_passes_by_an_approvers_word_and_the_floor(self, tmp_path: Path) -> None:
        found = judge(self.first(tmp_path / "e"), bootstrap=WORD)
        assert found.verdict is Verdict.PASS
        assert found.bootstrap == WORD
        assert WORD.because in text_of(found, "bootstrap")
        assert found.interval is not None
        assert found.interval.measure == "uar"

    def test_the_floor_holds_for_the_first_too(self, tmp_path: Path) -> None:
        found = judge(self.first(tmp_path / "e", challenger=0.2), bootstrap=WORD)
        assert objections(found) == {"floor": Verdict.FAIL}

    def test_once_one_has_existed_a_bootstrap_is_refused(self, tmp_path: Path) -> None:
        found = judge(self.first(tmp_path / "e", ever=True), bootstrap=WORD)
        assert objections(found) == {"bootstrap": Verdict.CANNOT_TELL}

    def test_beside_a_champion_a_bootstrap_is_refused(self, good: Path) -> None:
        assert objections(judge(good, bootstrap=WORD)) == {"bootstrap": Verdict.CANNOT_TELL}

    def test_without_a_reason_a_bootstrap_is_refused(self, tmp_path: Path) -> None:
        found = judge(self.first(tmp_path / "e"), bootstrap=Bootstrap(because="  "))
        assert objections(found) == {"bootstrap": Verdict.CANNOT_TELL}

    def test_a_champion_where_none_ever_was_cannot_tell(self, tmp_path: Path) -> None:
        found = judge(write_evaluation(tmp_path / "e", make_answers(), ever=False))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}


class TestSoundness:
    def test_answers_that_are_not_those_of_the_report(self, good: Path, tmp_path: Path) -> None:
        other = write_evaluation(tmp_path / "other", make_answers(seed=8))
        shutil.copy(other / "answers.parquet", good / "answers.parquet")
        found = judge(good)
        assert found.verdict is Verdict.CANNOT_TELL
        assert "was made from" in text_of(found, "evidence")
        assert found.interval is None

    @pytest.mark.parametrize("measure", ["uar", "wa", "macro_f1"])
    def test_a_measure_that_its_answers_do_not_give(self, good: Path, measure: str) -> None:
        edit_report(good, lambda report: report["measures"]["challenger"].update({measure: 0.999}))
        assert objections(judge(good)) == {"report": Verdict.CANNOT_TELL}

    def test_counts_that_its_answers_do_not_give(self, good: Path) -> None:
        edit_report(good, lambda report: report["counts"].update(speakers=40))
        assert objections(judge(good)) == {"report": Verdict.CANNOT_TELL}

    def test_an_utterance_answered_twice_is_named(self, tmp_path: Path) -> None:
        table = make_answers()
        found = judge(write_evaluation(tmp_path / "e", pa.concat_tables([table, table.slice(0, 1)])))
        assert objections(found) == {"rows": Verdict.CANNOT_TELL}
        assert "s00-anger-0 2 times" in text_of(found, "rows")

    def test_answers_to_different_utterances_are_not_compared(self, tmp_path: Path) -> None:
        found = judge(write_evaluation(tmp_path / "e", make_answers().slice(1)))
        assert objections(found) == {"rows": Verdict.CANNOT_TELL}

    def test_nan_answers_cannot_tell(self, tmp_path: Path) -> None:
        rows = make_answers().to_pylist()
        rows[5].update(predicted=None, probabilities=[float("nan")] * 6)
        found = judge(write_evaluation(tmp_path / "e", pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)))
        assert objections(found) == {"finite": Verdict.CANNOT_TELL}

    def test_another_task_cannot_tell(self, tmp_path: Path) -> None:
        found = judge(write_evaluation(tmp_path / "e", make_answers(), task="personality"))
        assert objections(found) == {"task": Verdict.CANNOT_TELL}

    @pytest.mark.parametrize("ever", [True, False])
    def test_an_empty_test_set_cannot_tell(self, tmp_path: Path, ever: bool) -> None:
        folder = write_evaluation(tmp_path / "e", ANSWERS_SCHEMA.empty_table(), champion=None, ever=ever)
        found = judge(folder, bootstrap=None if ever else WORD)
        assert found.verdict is Verdict.CANNOT_TELL
        assert {"utterances", "speakers", "labels", "floor"} <= objections(found).keys()

    def test_a_crash_in_a_rule_cannot_tell(self, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def check_broken(case: object) -> list[Any]:
            raise ZeroDivisionError("by nothing")

        monkeypatch.setattr(gate_module, "MODEL_RULES", (*MODEL_RULES, check_broken))
        found = judge(good)
        assert objections(found) == {"check_broken": Verdict.CANNOT_TELL}
        assert text_of(found, "check_broken") == "ZeroDivisionError: by nothing"

    @pytest.mark.parametrize("silent", range(5))
    def test_a_policy_with_a_rule_left_out_passes_nothing(
        self, good: Path, monkeypatch: pytest.MonkeyPatch, silent: int
    ) -> None:
        monkeypatch.setattr(gate_module, "MODEL_RULES", MODEL_RULES[:silent] + MODEL_RULES[silent + 1 :])
        assert judge(good).verdict is Verdict.CANNOT_TELL

    def test_no_reasons_cannot_tell(self) -> None:
        assert combine([]) is Verdict.CANNOT_TELL


def edit_report(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "evaluation.json"
    report = json.loads(path.read_text())
    edit(report)
    path.write_text(json.dumps(report))


def test_the_same_evidence_gives_the_same_bytes(good: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_judgement(judge(good), tmp_path / name)
    assert (tmp_path / "one" / "verdict.json").read_bytes() == (tmp_path / "two" / "verdict.json").read_bytes()
    assert (tmp_path / "one" / "verdict.txt").read_text() == "PASS"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.2, Verdict.PASS),
        (0.0, 0.2, Verdict.CANNOT_TELL),
        (-0.1, 0.0, Verdict.FAIL),
        (float("nan"), float("nan"), Verdict.CANNOT_TELL),
    ],
)
def test_the_whole_interval_decides(low: float, high: float, verdict: Verdict) -> None:
    assert decide(Interval(0.0, low, high, 0.95, "by hand"), 0.0) is verdict
