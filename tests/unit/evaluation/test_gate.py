"""The gate passes what is good, fails what is not, and says CANNOT_TELL about everything else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.unit.evaluation.cases import (
    RIVAL,
    SLICES,
    WORD,
    changed_policy,
    judge,
    make_answer,
    make_answers,
    policy_of,
    write_evaluation,
    write_report,
)
from tests.unit.evaluation.family_cases import policy_for, write_asr
from voxloop.evaluation import gate as gate_module
from voxloop.evaluation.answers import ANSWERS_SCHEMA
from voxloop.evaluation.case import Known
from voxloop.evaluation.gate import combine, write_judgement
from voxloop.evaluation.intervals import Interval
from voxloop.evaluation.judgement import Bootstrap, Judgement
from voxloop.evaluation.report import ANSWERS_NAME
from voxloop.evaluation.rules import MODEL_RULES
from voxloop.evaluation.thresholds import decide, decide_limit
from voxloop.store.digests import canonical_json
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
        assert found.interval.measure == "uar lead"
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
        assert objections(judge(write_evaluation(tmp_path / "e", table))) == {"limit": Verdict.FAIL}

    def test_an_interval_across_the_bound_cannot_tell(self, tmp_path: Path) -> None:
        table = make_answers(repeats=2, challenger=0.8, champion=0.8)
        assert objections(judge(write_evaluation(tmp_path / "e", table))) == {"comparison": Verdict.CANNOT_TELL}

    def test_an_equal_challenger_passes_on_enough_evidence(self, tmp_path: Path) -> None:
        table = make_answers(speakers=24, repeats=20, challenger=0.9, champion=0.9)
        assert judge(write_evaluation(tmp_path / "e", table)).verdict is Verdict.PASS

    def test_superiority_asks_for_more(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(challenger=0.9, champion=0.9))
        superior = policy_of(comparison={"kind": "superiority", "margin": 0.0})
        assert judge(folder, superior).verdict is not Verdict.PASS

    @pytest.mark.parametrize(
        ("kind", "verdict"), [("superiority", Verdict.FAIL), ("non_inferiority", Verdict.CANNOT_TELL)]
    )
    def test_the_champion_itself_does_not_pass(self, tmp_path: Path, kind: str, verdict: Verdict) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(champion=0.97), model_digest=RIVAL.model_digest)
        found = judge(folder, policy_of(comparison={"kind": kind, "margin": 0.03}))
        assert objections(found) == {"comparison": verdict}
        assert "the champion itself" in text_of(found, "comparison")

    def test_a_champion_with_other_labels_cannot_be_compared(self, tmp_path: Path) -> None:
        problem = "the champion answers anger, boredom; the challenger others"
        other = RIVAL.model_copy(update={"labels": ("anger", "boredom"), "incomparable": problem})
        found = judge(write_evaluation(tmp_path / "e", make_answers(champion=None), champion=other))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}
        assert "boredom" in text_of(found, "comparison")

    def test_an_unscored_champion_cannot_be_compared(self, tmp_path: Path) -> None:
        found = judge(write_evaluation(tmp_path / "e", make_answers(champion=None)))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}

    def test_a_copy_under_another_digest_cannot_tell(self, tmp_path: Path) -> None:
        """It answers every row as the champion does: nothing varies, and an interval without a width proves nothing."""
        rows = make_answers(champion=None).to_pylist()
        table = pa.Table.from_pylist([*rows, *({**row, "model": "champion"} for row in rows)], schema=ANSWERS_SCHEMA)
        found = judge(write_evaluation(tmp_path / "e", table))
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}
        assert "the same for every speaker" in text_of(found, "comparison")


class TestClaim:
    def test_too_few_speakers_for_a_claim_about_new_ones(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=6, repeats=20))
        assert objections(judge(folder))["speakers"] is Verdict.CANNOT_TELL
        assert judge(folder).verdict is Verdict.CANNOT_TELL

    def test_too_few_speakers_prove_no_failure_either(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=6, repeats=20, challenger=0.1))
        found = judge(folder)
        assert found.verdict is Verdict.CANNOT_TELL
        assert "6 speakers are no proof of it, the policy asks for 8" in text_of(found, "limit")
        assert judge(folder, changed_policy(minimum_speakers=6)).verdict is Verdict.FAIL
        assert judge(folder, changed_policy(claim="these speakers")).verdict is Verdict.FAIL

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
        thin = table.filter(pc.or_(pc.not_equal(table["reference"], '{"emotion":"fear"}'), fear))
        found = judge(write_evaluation(tmp_path / "e", thin))
        reason = next(reason for reason in found.reasons if reason.rule == "labels")
        assert (reason.slice, reason.value, reason.bound, reason.verdict) == ("label=fear", 4, 8, "CANNOT_TELL")
        assert found.verdict is Verdict.CANNOT_TELL

    def test_a_label_of_one_speaker_says_nothing_about_new_ones(self, tmp_path: Path) -> None:
        table = make_answers(repeats=20)
        fear = pc.starts_with(table["utterance_id"], "s09-fear")
        lone = table.filter(pc.or_(pc.not_equal(table["reference"], '{"emotion":"fear"}'), fear))
        assert objections(judge(write_evaluation(tmp_path / "e", lone)))["labels"] is Verdict.CANNOT_TELL


class TestSets:
    """Every evaluation set is held against the policy by itself."""

    def both(self, folder: Path, older: float, newer: float) -> Path:
        """Return an evaluation on two sets, the champion 0.8 good on both."""
        tables = [
            make_answers(speakers=20, repeats=8, challenger=quality, seed=seed, evaluation_set=name)
            for name, quality, seed in (("cars-2026-01-01", newer, 1), ("home-2025-01-01", older, 2))
        ]
        return write_evaluation(folder, pa.concat_tables(tables))

    def test_no_worse_on_the_old_and_better_on_the_new_passes(self, tmp_path: Path) -> None:
        folder = self.both(tmp_path / "e", older=0.85, newer=0.95)
        found = judge(folder, reason_set="cars-2026-01-01")
        assert found.verdict is Verdict.PASS
        asked = {reason.evaluation_set: reason.bound for reason in found.reasons if reason.rule == "comparison"}
        assert asked == {"cars-2026-01-01": 0.0, "home-2025-01-01": -0.03}

    def test_the_set_that_gave_the_reason_asks_for_more_than_no_worse(self, tmp_path: Path) -> None:
        folder = self.both(tmp_path / "e", older=0.95, newer=0.81)
        assert judge(folder).verdict is not Verdict.FAIL
        found = judge(folder, reason_set="cars-2026-01-01")
        objecting = [reason for reason in found.reasons if reason.verdict is not Verdict.PASS]
        assert {(reason.rule, reason.evaluation_set) for reason in objecting} >= {("comparison", "cars-2026-01-01")}

    def test_what_is_lost_on_an_old_set_is_not_paid_for_by_a_new_one(self, tmp_path: Path) -> None:
        found = judge(self.both(tmp_path / "e", older=0.6, newer=0.99), reason_set="cars-2026-01-01")
        assert found.verdict is Verdict.FAIL
        objecting = [reason for reason in found.reasons if reason.verdict is Verdict.FAIL]
        assert {reason.evaluation_set for reason in objecting} == {"home-2025-01-01"}

    def test_a_reason_that_was_not_evaluated_cannot_tell(self, good: Path) -> None:
        found = judge(good, reason_set="cars-2026-01-01")
        assert objections(found) == {"comparison": Verdict.CANNOT_TELL}
        assert "cars-2026-01-01, was not evaluated" in text_of(found, "comparison")

    def test_a_set_of_its_own_rule(self, tmp_path: Path) -> None:
        folder = self.both(tmp_path / "e", older=0.85, newer=0.95)
        found = judge(folder, policy_of(sets={"home-2025-01-01": {"limit": 0.9}}))
        assert objections(found) == {"limit": Verdict.FAIL}

    def test_a_set_the_champion_was_not_asked_about_cannot_tell(self, tmp_path: Path) -> None:
        tables = [make_answers(), make_answers(champion=None, evaluation_set="home-2025-01-01")]
        found = judge(write_evaluation(tmp_path / "e", pa.concat_tables(tables)))
        assert found.verdict is Verdict.CANNOT_TELL

    @pytest.mark.parametrize(
        ("sets", "odd"),
        [
            ({}, {}),
            ({"cars-2026-01-01": "e"}, {}),
            ({"cars-2026-01-01": "e", "home-2025-01-01": "e"}, {}),
            ({"cars-2026-01-01": "e", "gone-2024-01-01": "e"}, {"gone-2024-01-01": "was not evaluated"}),
            ({"cars-2026-01-01": "f"}, {"cars-2026-01-01": "was evaluated as eeeeeeeeeeee"}),
            ({"cars-2026-01-01": "f", "a-1": "e"}, {"cars-2026-01-01": "evaluate again", "a-1": "from a backup"}),
        ],
    )
    def test_sets_that_are_known_were_evaluated_as_they_are_known(
        self, tmp_path: Path, sets: dict[str, str], odd: dict[str, str]
    ) -> None:
        folder = self.both(tmp_path / "e", older=0.95, newer=0.95)
        found = judge(folder, known=Known(sets={name: letter * 64 for name, letter in sets.items()}))
        assert found.verdict is (Verdict.CANNOT_TELL if odd else Verdict.PASS)
        objecting = {one.evaluation_set: one for one in found.reasons if one.verdict is not Verdict.PASS}
        assert {one.rule for one in objecting.values()} == ({"sets"} if odd else set())
        assert objecting.keys() == odd.keys()
        assert all(words in objecting[name].text and name in objecting[name].text for name, words in odd.items())
        assert (found.interval is None) is bool(odd), "of a set that is gone no figure is shown"


class TestSlices:
    def destroy(self, table: pa.Table, gender: str, share: float) -> pa.Table:
        """Return the answers with a share of the challenger's right ones of a gender made wrong."""
        rows, rng = table.to_pylist(), np.random.default_rng(3)
        for row in rows:
            if row["model"] == "challenger" and row["gender"] == gender and rng.random() < share:
                label = json.loads(row["reference"])["emotion"]
                row["answer"] = canonical_json(make_answer(label, correct=False))
        return pa.Table.from_pylist(rows, schema=table.schema)

    def test_a_destroyed_slice_fails_where_the_whole_passes(self, tmp_path: Path) -> None:
        table = make_answers(speakers=24, repeats=8, challenger=1.0, champion=0.6)
        folder = write_evaluation(tmp_path / "e", self.destroy(table, "female", 0.55))
        assert judge(folder).verdict is Verdict.PASS
        found = judge(folder, changed_policy(slices=SLICES | {"margin": 0.05}))
        assert objections(found) == {"slices": Verdict.FAIL}
        reason = next(reason for reason in found.reasons if reason.verdict is Verdict.FAIL)
        assert (reason.slice, reason.utterances, reason.speakers) == ("gender=female", 576, 12)

    def test_a_destroyed_device_fails_by_its_name(self, tmp_path: Path) -> None:
        rows = make_answers(speakers=24, repeats=8, challenger=1.0, champion=0.6).to_pylist()
        for row in rows:
            row["device"] = {"female": "Pixel 8", "male": None}[row["gender"]]
        table = self.destroy(pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA), "female", 0.55)
        by_device = changed_policy(slices=SLICES | {"by": ["device"], "margin": 0.05})
        found = judge(write_evaluation(tmp_path / "e", table), by_device)
        assert objections(found) == {"slices": Verdict.FAIL}
        slices = {reason.slice: reason.verdict for reason in found.reasons if reason.rule == "slices"}
        assert slices == {"device=Pixel 8": Verdict.FAIL, "device=not known": Verdict.PASS}

    @pytest.mark.parametrize(("by", "slices"), [("device", ["not known"]), ("gender", ["female", "male"])])
    def test_answers_from_before_a_column_are_judged_again(self, tmp_path: Path, by: str, slices: list[str]) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=20, repeats=8))
        older = pq.read_table(folder / ANSWERS_NAME).drop_columns(["device"])
        pq.write_table(older, folder / ANSWERS_NAME)
        write_report(folder)
        found = judge(folder, changed_policy(slices=SLICES | {"by": [by]}))
        assert found.verdict is Verdict.PASS
        assert [reason.slice for reason in found.reasons if reason.rule == "slices"] == [
            f"{by}={one}" for one in slices
        ]

    def test_a_thin_slice_cannot_tell(self, good: Path) -> None:
        found = judge(good, changed_policy(slices=SLICES | {"minimum_speakers": 6}))
        assert objections(found) == {"slices": Verdict.CANNOT_TELL}
        assert "150 utterances of 5 speakers" in text_of(found, "slices")

    def test_every_value_is_a_slice_and_so_is_what_is_not_known(self, tmp_path: Path) -> None:
        rows = make_answers(speakers=20, repeats=8).to_pylist()
        for row in rows:
            row["age"] = None if row["speaker_id"] < "s05" else 25 if row["speaker_id"] < "s12" else 60
        table = pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)
        by = ["age_band", "duration", "language", "source"]
        found = judge(write_evaluation(tmp_path / "e", table), changed_policy(slices=SLICES | {"by": by}))
        assert found.verdict is Verdict.PASS
        assert [reason.slice for reason in found.reasons if reason.rule == "slices"] == [
            "age_band=50 to 69",
            "age_band=not known",
            "age_band=under 30",
            "duration=1 to 3 s",
            "language=en",
            "source=by hand",
        ]


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
        assert objections(found) == {"limit": Verdict.FAIL}

    def test_once_one_has_existed_a_bootstrap_is_refused(self, tmp_path: Path) -> None:
        found = judge(self.first(tmp_path / "e", ever=True), bootstrap=WORD)
        assert objections(found) == {"bootstrap": Verdict.CANNOT_TELL}

    @pytest.mark.parametrize(
        ("bootstrap", "rule", "words"),
        [(WORD, "bootstrap", "a champion has been in force before"), (None, "comparison", "one has been in force")],
    )
    def test_once_one_is_known_no_evaluation_denies_it(
        self, tmp_path: Path, bootstrap: Bootstrap | None, rule: str, words: str
    ) -> None:
        found = judge(self.first(tmp_path / "e"), bootstrap=bootstrap, known=Known(sets={}, champion_ever=True))
        assert objections(found) == {rule: Verdict.CANNOT_TELL}
        assert words in text_of(found, rule)

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
        edit_report(good, lambda report: report["sets"][0]["measures"]["challenger"].update({measure: 0.999}))
        assert objections(judge(good)) == {"report": Verdict.CANNOT_TELL}

    def test_counts_that_its_answers_do_not_give(self, good: Path) -> None:
        edit_report(good, lambda report: report["sets"][0]["counts"].update(speakers=40))
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
        rows[5].update(answer=None)
        found = judge(write_evaluation(tmp_path / "e", pa.Table.from_pylist(rows, schema=ANSWERS_SCHEMA)))
        assert objections(found) == {"finite": Verdict.CANNOT_TELL}

    def test_another_task_cannot_tell(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers())
        assert objections(judge(folder, task="asr")) == {"task": Verdict.CANNOT_TELL}
        folder = write_evaluation(tmp_path / "other", make_answers(), task="personality")
        assert objections(judge(folder)) == {"evidence": Verdict.CANNOT_TELL}

    @pytest.mark.parametrize("ever", [True, False])
    def test_an_empty_test_set_cannot_tell(self, tmp_path: Path, ever: bool) -> None:
        folder = write_evaluation(tmp_path / "e", ANSWERS_SCHEMA.empty_table(), champion=None, ever=ever)
        found = judge(folder, bootstrap=None if ever else WORD)
        assert found.verdict is Verdict.CANNOT_TELL
        assert {"utterances", "speakers", "labels", "limit"} <= objections(found).keys()

    def test_a_crash_in_a_rule_cannot_tell(self, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def check_broken(case: object) -> list[Any]:
            raise ZeroDivisionError("by nothing")

        monkeypatch.setattr(gate_module, "MODEL_RULES", (*MODEL_RULES, check_broken))
        found = judge(good)
        assert objections(found) == {"check_broken": Verdict.CANNOT_TELL}
        assert text_of(found, "check_broken") == "ZeroDivisionError: by nothing"

    @pytest.mark.parametrize("silent", range(len(MODEL_RULES)))
    def test_a_policy_with_a_rule_left_out_passes_nothing(
        self, good: Path, monkeypatch: pytest.MonkeyPatch, silent: int
    ) -> None:
        monkeypatch.setattr(gate_module, "MODEL_RULES", MODEL_RULES[:silent] + MODEL_RULES[silent + 1 :])
        assert judge(good).verdict is Verdict.CANNOT_TELL

    def test_no_reasons_cannot_tell(self) -> None:
        assert combine([], ["test"]) is Verdict.CANNOT_TELL
        assert combine([], []) is Verdict.CANNOT_TELL


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


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.1, 0.19, Verdict.PASS), (0.1, 0.2, Verdict.CANNOT_TELL), (0.2, 0.3, Verdict.FAIL)],
)
def test_the_limit_of_an_error_rate_lies_above_it(low: float, high: float, verdict: Verdict) -> None:
    assert decide_limit(Interval(0.15, low, high, 0.95, "by hand"), 0.2, larger_is_better=False) is verdict


def test_what_production_is_held_against_is_evidence(good: Path, tmp_path: Path) -> None:
    measured = judge(good).as_evidence()["measured"]
    assert isinstance(measured, dict)
    assert (measured["measure"], measured["evaluation_set"], measured["spelling"]) == ("uar", "test", {})
    rules = policy_for("wer", 0.5)
    of_words = judge(write_asr(tmp_path / "asr"), rules, task="asr").as_evidence()
    assert isinstance(of_words["measured"], dict)
    assert of_words["measured"]["spelling"] == {
        "normaliser": "voxloop.data.text",
        "normaliser_version": "1",
        "unspoken": "",
    }
    (good / "answers.parquet").unlink()
    assert judge(good).as_evidence()["measured"] is None
