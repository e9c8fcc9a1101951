"""Changed copies of test rows: asked of both models with the same bytes, reported, and judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.evaluation.cases import WORD, changed_policy, judge, make_answers, write_evaluation
from tests.unit.evaluation.changed_cases import (
    CONFIG,
    changed_of,
    make_changed,
    robust_policy,
    write_changed_rows,
)
from tests.unit.evaluation.tiny_models import LABELS, make_rows, write_champion, write_model
from voxloop.evaluation.answers import CHALLENGER, CHAMPION
from voxloop.evaluation.behaviour import CLEAN
from voxloop.evaluation.evaluate import EvaluationRows, evaluate_model
from voxloop.evaluation.intervals import speaker_lead
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.report import EVALUATION_NAME
from voxloop.evaluation.robustness import CHANGED_NAME, ROBUSTNESS_NAME, RobustnessReport
from voxloop.evaluation.robustness_evidence import is_near
from voxloop.store.digests import digest_file, digest_tree
from voxloop.verdict import Verdict


def reasons(found: Judgement) -> dict[tuple[str, str], Reason]:
    return {(one.slice, one.measure): one for one in found.reasons if one.rule == "robustness"}


def read_report(folder: Path) -> RobustnessReport:
    return RobustnessReport.model_validate_json((folder / ROBUSTNESS_NAME).read_text())


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return an evaluation of 300 utterances of 10 speakers, of which 200 can be asked again."""
    return write_evaluation(tmp_path / "evaluation", make_answers())


class TestEvaluating:
    def run(self, folder: Path, model: Path, champion: Path, labels: tuple[str | None, ...] = LABELS * 8) -> Path:
        folder.mkdir()
        rows = [EvaluationRows("test", "d" * 64, counted=False, rows=make_rows(labels))]
        evaluate_model(model, rows, champion, folder, task="emotion", dataset_digest="d" * 64, config=CONFIG)
        return folder

    def test_both_models_are_asked_the_same_rows_and_the_report_is_what_the_gate_computes(self, tmp_path: Path) -> None:
        good, bad = write_model(tmp_path / "good"), write_model(tmp_path / "bad", heard=LABELS[1:] + LABELS[:1])
        out = self.run(tmp_path / "out", good, write_champion(tmp_path / "champion", bad))
        report = read_report(out)
        assert (report.model_digest, report.champion_digest) == (digest_tree(good), digest_tree(bad))
        assert (report.figures.utterances, report.figures.speakers, report.figures.measure) == (24, 4, "uar")
        assert report.figures.clean.measures.challenger is not None
        assert report.figures.clean.measures.challenger["uar"] == 1.0
        assert report.changed_digest == digest_file(out / CHANGED_NAME)
        # These models hear the level, and 1 dB is not the next one's.
        assert report.figures.behaviour["same label louder"].challenger == 24
        assert report.figures.behaviour["answered"].challenger == 2
        found = judge(out, changed_policy(robustness=None, minimum_speakers=2, minimum_utterances=2))
        assert not [one for one in found.reasons if one.rule == "evidence"]

    def test_the_same_evaluation_twice_is_equal_byte_for_byte(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "good")
        champion = write_champion(tmp_path / "champion", model)
        one, two = (self.run(tmp_path / name, model, champion) for name in ("one", "two"))
        assert digest_tree(one) == digest_tree(two)

    def test_the_changed_bytes_do_not_hang_on_the_model(self, tmp_path: Path) -> None:
        good, bad = write_model(tmp_path / "good"), write_model(tmp_path / "bad", heard=LABELS[1:] + LABELS[:1])
        nobody = write_champion(tmp_path / "nobody", ever=False)
        one, other = (self.run(tmp_path / f"{place}", each, nobody) for place, each in enumerate((good, bad)))
        assert read_report(one).requests == read_report(other).requests
        assert len(set(read_report(one).requests.values())) == 3
        assert read_report(one).champion_digest is None
        assert read_report(one).figures.clean.champion is None

    def test_no_rows_are_reported_as_none(self, tmp_path: Path) -> None:
        nobody = write_champion(tmp_path / "nobody", ever=False)
        out = self.run(tmp_path / "out", write_model(tmp_path / "model"), nobody, labels=())
        figures = read_report(out).figures
        assert (figures.utterances, figures.clean.challenger) == (0, None)
        assert judge(out, robust_policy(), WORD).verdict is Verdict.CANNOT_TELL

    def test_a_champion_that_means_something_else_is_not_asked(self, tmp_path: Path) -> None:
        other = write_model(tmp_path / "other", labels=("anger", "boredom", "sadness"), heard=LABELS)
        out = self.run(tmp_path / "out", write_model(tmp_path / "model"), write_champion(tmp_path / "champion", other))
        assert read_report(out).champion_digest is None


class TestFigures:
    def test_leads_and_losses_are_those_of_the_speaker_intervals(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good, challenger=0.7, champion=0.5))
        changed, figures = changed_of(good), read_report(good).figures
        ours, theirs = (changed.samples["noise"][model]["uar"] for model in (CHALLENGER, CHAMPION))
        lead = speaker_lead(ours.moments, theirs.moments, ours.measure, ours.speakers, level=0.95)
        said = figures.conditions["noise"]
        assert said.lead is not None
        assert (said.lead.estimate, said.lead.low, said.lead.high) == pytest.approx(lead[:3])
        clean = changed.samples[CLEAN][CHALLENGER]["uar"]
        loss = speaker_lead(clean.moments, ours.moments, ours.measure, ours.speakers, level=0.95)
        assert said.challenger_loss is not None
        assert said.challenger_loss.estimate == pytest.approx(loss.estimate)
        assert said.challenger_loss.estimate == pytest.approx(0.27, abs=0.07)

    def test_an_answer_that_is_none_leaves_the_condition_without_figures(self, good: Path) -> None:
        rows = make_changed(good)
        place = next(index for index, row in enumerate(rows) if row["asked"] == "noise")
        rows[place] = {**rows[place], "answer": None}
        figures = read_report(write_changed_rows(good, rows)).figures
        assert figures.conditions["noise"].measures.challenger is None
        assert figures.conditions["noise"].lead is None
        assert figures.conditions["telephone"].lead is not None
        assert figures.behaviour["not surer in noise"].challenger is None


class TestJudging:
    def test_as_good_as_the_champion_under_every_condition_passes(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good))
        found = judge(good, robust_policy())
        assert found.verdict is Verdict.PASS
        said = reasons(found)["condition=noise", "uar lead"]
        assert (said.bound, said.utterances, said.speakers, said.evaluation_set) == (-0.15, 200, 10, "test")

    def test_worse_under_one_condition_fails_though_it_is_better_as_a_whole(self, good: Path) -> None:
        rows = make_changed(good, challenger=0.3, champion=0.9)
        sound = make_changed(good, seed=4)
        mixed = [one if one["asked"] == "noise" else other for one, other in zip(rows, sound, strict=True)]
        write_changed_rows(good, mixed)
        found = judge(good, robust_policy())
        assert {one.verdict for one in found.reasons if one.rule != "robustness"} == {Verdict.PASS}
        assert reasons(found)["condition=noise", "uar lead"].verdict is Verdict.FAIL
        assert reasons(found)["condition=telephone", "uar lead"].verdict is Verdict.PASS

    def test_a_condition_that_is_not_asked_about_is_not_judged(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good, challenger=0.3, champion=0.9))
        found = judge(good, robust_policy(conditions={"louder": {}}))
        assert found.verdict is Verdict.PASS
        assert {where for where, _ in reasons(found)} == {"condition=louder"}

    @pytest.mark.parametrize(
        ("most", "verdict"), [(0.6, Verdict.PASS), (0.1, Verdict.FAIL), (0.32, Verdict.CANNOT_TELL)]
    )
    def test_what_it_loses_to_itself_has_a_limit(self, good: Path, most: float, verdict: Verdict) -> None:
        write_changed_rows(good, make_changed(good, challenger=0.7, champion=0.2))
        found = judge(good, robust_policy(conditions={"noise": {"most_loss": most}}))
        assert reasons(found)["condition=noise", "uar beside clean"].verdict is verdict
        assert reasons(found)["condition=noise", "uar lead"].verdict is Verdict.PASS

    def test_a_condition_may_have_a_margin_of_its_own(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good, challenger=0.6, champion=0.9))
        wide = robust_policy(conditions={"noise": {"margin": 0.6}, "telephone": {"margin": 0.6}})
        assert judge(good, wide).verdict is Verdict.PASS
        assert judge(good, robust_policy()).verdict is Verdict.FAIL

    def test_a_first_champion_has_nobody_to_be_worse_than_but_a_loss_of_its_own(self, tmp_path: Path) -> None:
        table = make_answers(champion=None)
        folder = write_evaluation(tmp_path / "first", table, champion=None, ever=False)
        write_changed_rows(folder, make_changed(folder, challenger=0.3))
        assert judge(folder, robust_policy(), WORD).verdict is Verdict.PASS
        limited = robust_policy(conditions={"noise": {"most_loss": 0.2}})
        assert judge(folder, limited, WORD).verdict is Verdict.FAIL
        assert judge(folder, robust_policy()).verdict is Verdict.CANNOT_TELL

    @pytest.mark.parametrize("minimum", [{"minimum_utterances": 201}, {"minimum_speakers": 11}])
    def test_too_few_rows_cannot_tell(self, good: Path, minimum: dict[str, int]) -> None:
        write_changed_rows(good, make_changed(good))
        found = judge(good, robust_policy(**minimum))
        assert found.verdict is Verdict.CANNOT_TELL
        assert "200 utterances of 10 speakers were asked again" in next(iter(reasons(found).values())).text

    def test_a_condition_nobody_was_asked_about_cannot_tell(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good))
        assert judge(good, robust_policy(conditions={"fog": {}})).verdict is Verdict.CANNOT_TELL

    @pytest.mark.parametrize(
        "changes",
        [
            {"model_digest": "b" * 64},
            {"champion_digest": None},
            {"champion_digest": "b" * 64},
            {"answers_digest": "b" * 64},
            {"changed_digest": "b" * 64},
            {"evaluation_set": "other"},
            {"task": "asr"},
        ],
    )
    def test_of_other_models_or_answers_cannot_tell(self, good: Path, changes: dict[str, Any]) -> None:
        write_changed_rows(good, make_changed(good), **changes)
        assert judge(good, robust_policy()).verdict is Verdict.CANNOT_TELL

    def test_a_figure_its_answers_do_not_give_cannot_tell(self, good: Path) -> None:
        write_changed_rows(good, make_changed(good))
        path = good / ROBUSTNESS_NAME
        report = json.loads(path.read_text())
        report["figures"]["conditions"]["noise"]["measures"]["challenger"]["uar"] += 1e-6
        path.write_text(json.dumps(report))
        found = judge(good, robust_policy())
        assert found.verdict is Verdict.CANNOT_TELL
        assert "is not what its answers, computed again, come to" in next(iter(reasons(found).values())).text

    def test_another_seed_in_the_report_names_other_rows_and_cannot_tell(self, good: Path) -> None:
        rows = make_changed(good)
        figures = read_report(write_changed_rows(good, rows)).figures
        assert CONFIG.changes is not None
        write_changed_rows(good, rows, changes=CONFIG.changes.model_copy(update={"seed": 6}), figures=figures)
        assert judge(good, robust_policy()).verdict is Verdict.CANNOT_TELL

    @pytest.mark.parametrize("told", [{"changes": None}, {"behaviour": {}}])
    def test_other_conditions_than_the_evaluation_says_cannot_tell(self, good: Path, told: dict[str, Any]) -> None:
        write_changed_rows(good, make_changed(good))
        path = good / EVALUATION_NAME
        report = json.loads(path.read_text())
        path.write_text(json.dumps(report | {"configuration": report["configuration"] | {"behaviour": {}} | told}))
        found = judge(good, robust_policy())
        assert found.verdict is Verdict.CANNOT_TELL
        text = "changed rows were asked under other conditions than evaluation.json says; evaluate again"
        assert next(iter(reasons(found).values())).text == text

    def test_the_champion_must_have_been_asked_too(self, good: Path) -> None:
        rows = [row for row in make_changed(good) if row["model"] == CHALLENGER]
        write_changed_rows(good, make_changed(good))
        figures = read_report(good).figures
        (good / CHANGED_NAME).unlink()
        with pytest.raises(Exception, match="had to be asked"):
            write_changed_rows(good, rows)
        write_changed_rows(good, rows, figures=figures)
        assert judge(good, robust_policy()).verdict is Verdict.CANNOT_TELL

    def test_a_policy_that_asks_nothing_needs_no_changed_rows(self, good: Path) -> None:
        assert judge(good).verdict is Verdict.PASS
        assert judge(good, robust_policy()).verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ({"a": [1.0, None]}, {"a": [1.0 + 1e-12, None]}, True),
        ({"a": 1.0}, {"a": 1.0 + 1e-6}, False),
        ({"a": 1.0}, {"b": 1.0}, False),
        ([1.0], [1.0, 2.0], False),
        (None, 0.0, False),
        (1, True, False),
        ("x", "x", True),
    ],
)
def test_near_is_equal_but_for_rounding(one: object, other: object, near: bool) -> None:
    assert is_near(one, other) is near
    assert not is_near(np.nan, np.nan)
