"""Gaps between groups: measured as they should be, as often right as they say, and judged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from tests.unit.evaluation.cases import (
    LABELS,
    WORD,
    changed_policy,
    judge,
    make_answer,
    make_answers,
    write_evaluation,
)
from tests.unit.evaluation.family_cases import policy_for, write_asr, write_personality
from voxloop.evaluation.answers import CHALLENGER
from voxloop.evaluation.case import Part, read_case
from voxloop.evaluation.fairness import GroupGap, measure_gap, take_measure, take_recall
from voxloop.evaluation.intervals import Interval, jackknife, stratified_jackknife
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.moments import mean_moments, stack_parts, sum_groups
from voxloop.evaluation.policy import GatePolicy
from voxloop.evaluation.summed_measures import MEAN, UAR, contrast, paired
from voxloop.settings import get_settings
from voxloop.store.digests import canonical_json
from voxloop.verdict import Verdict

FAIR = {"by": ["gender"], "measure": "uar", "gap": {"margin": 0.2}, "recall_gap": {"margin": 0.4}}
POLICY = changed_policy(fairness=FAIR)
MANY: dict[str, Any] = {"speakers": 20, "repeats": 8}


def spoil(table: pa.Table, gender: str, label: str | None, share: float, model: str = CHALLENGER) -> pa.Table:
    """Return answers of which a share to a gender, of one label or of any, are made wrong."""
    rows, draw = table.to_pylist(), np.random.default_rng(3)
    for row in rows:
        said = json.loads(row["reference"])["emotion"]
        if row["model"] == model and row["gender"] == gender and label in (None, said) and draw.random() < share:
            row["answer"] = canonical_json(make_answer(said, correct=False))
    return pa.Table.from_pylist(rows, schema=table.schema)


def reasons(found: Judgement) -> dict[str, Reason]:
    return {f"{one.slice} {one.measure}": one for one in found.reasons if one.rule == "fairness"}


def part_of(folder: Path, policy: GatePolicy = POLICY, task: str = "emotion") -> Part:
    return read_case(folder, policy, task, None).first


def groups_of(part: Part) -> list[Any]:
    gender = np.array(part.challenger.columns["gender"])
    return [gender == "female", gender == "male"]


class TestMeasuring:
    def test_a_gap_is_the_difference_of_the_measures_of_both_groups(self, tmp_path: Path) -> None:
        table = spoil(make_answers(**MANY), "female", None, 0.3)
        part = part_of(write_evaluation(tmp_path / "e", table))
        groups = groups_of(part)
        gap = measure_gap(part, groups, take_measure("uar"))
        alone = [part.cut(rows) for rows in groups]
        ours = [one.challenger_interval("uar").estimate for one in alone]
        theirs = [one.champion_interval("uar").estimate for one in alone]
        assert gap.champion is not None
        assert gap.challenger.estimate == pytest.approx(ours[0] - ours[1])
        assert gap.champion.estimate == pytest.approx(theirs[0] - theirs[1])
        assert gap.growth == pytest.approx(abs(ours[0] - ours[1]) - abs(theirs[0] - theirs[1]))
        assert gap.challenger.low < ours[0] - ours[1] < gap.challenger.high

    def test_the_recall_of_a_label(self, tmp_path: Path) -> None:
        table = spoil(make_answers(challenger=1.0, **MANY), "female", "fear", 1.0)
        part = part_of(write_evaluation(tmp_path / "e", table))
        said = np.array([one["emotion"] for one in part.challenger.references])
        found = {
            label: measure_gap(part, [rows & (said == label) for rows in groups_of(part)], take_recall).challenger
            for label in LABELS
        }
        assert found["fear"].estimate == -1.0
        assert [one.estimate for label, one in found.items() if label != "fear"] == [0.0] * 5

    def test_persons_are_the_rows_of_a_correlation(self, tmp_path: Path) -> None:
        policy = policy_for("ccc", 0.1)
        part = part_of(write_personality(tmp_path / "e"), policy, "personality")
        gap = measure_gap(part, groups_of(part), take_measure("ccc"))
        alone = [part.cut(rows).challenger_interval("ccc").estimate for rows in groups_of(part)]
        assert gap.challenger.estimate == pytest.approx(alone[0] - alone[1])
        assert np.isfinite(gap.challenger.error)

    def test_an_error_rate_too(self, tmp_path: Path) -> None:
        part = part_of(write_asr(tmp_path / "e"), policy_for("wer", 0.5), "asr")
        gap = measure_gap(part, groups_of(part), take_measure("wer"))
        alone = [part.cut(rows).challenger_interval("wer").estimate for rows in groups_of(part)]
        assert gap.challenger.estimate == pytest.approx(alone[0] - alone[1])

    def test_a_label_that_one_speaker_of_a_group_says_cannot_be_told(self, tmp_path: Path) -> None:
        table = make_answers(**MANY)
        rows = [
            row
            for row in table.to_pylist()
            if not (row["gender"] == "female" and "fear" in row["utterance_id"] and row["speaker_id"] != "s01")
        ]
        part = part_of(write_evaluation(tmp_path / "e", pa.Table.from_pylist(rows, schema=table.schema)))
        gap = measure_gap(part, groups_of(part), take_measure("uar"))
        assert np.isnan(gap.chance_within(0.9))
        assert np.isnan(gap.chance_kept(0.9))

    @pytest.mark.parametrize("measure", ["uar", "wer"])
    def test_leads_are_of_each_group_now_over_each_before(self, tmp_path: Path, measure: str) -> None:
        """An error rate that falls is a lead as well."""
        if measure == "uar":
            table = spoil(make_answers(**MANY), "female", None, 0.3)
            part = part_of(write_evaluation(tmp_path / "e", table))
        else:
            part = part_of(write_asr(tmp_path / "e"), policy_for("wer", 0.5), "asr")
        found = measure_gap(part, groups_of(part), take_measure(measure))
        alone = [part.cut(rows) for rows in groups_of(part)]
        sign = 1.0 if measure == "uar" else -1.0
        expected = [
            sign * (now.challenger_interval(measure).estimate - before.champion_interval(measure).estimate)
            for now in alone
            for before in alone
        ]
        assert sorted(lead.estimate for lead in found.leads) == pytest.approx(sorted(expected))
        assert found.least_lead is not None
        assert found.least_lead.estimate == pytest.approx(min(expected))
        for lead, group in zip((found.leads[0], found.leads[3]), alone, strict=True):
            own = group.lead(measure)
            assert (lead.error, lead.freedom) == pytest.approx((own.error, own.freedom)), "others add nothing to it"

    def test_a_contrast_of_two_is_a_lead(self) -> None:
        sums = np.random.default_rng(0).integers(1, 9, (5, 36)).astype(np.float64)
        assert np.array_equal(contrast(UAR, [1.0, -1.0], "uar lead").value(sums), paired(UAR).value(sums))
        assert np.array_equal(contrast(UAR, [1.0, -1.0], "uar lead").support(sums), paired(UAR).support(sums))

    def test_parts_stand_beside_each_other(self) -> None:
        found = stack_parts([np.ones((2, 1)), np.full((1, 2), 3.0)])
        assert found.tolist() == [[1, 0, 0], [1, 0, 0], [0, 3, 3]]


class TestHowOftenItIsRight:
    """Simulated: the recall of two groups of speakers who differ, 12 utterances each."""

    def draw(self, speakers: tuple[int, int], rates: tuple[float, float], draws: int) -> Any:
        """Return sums [draws, speakers, 4] of two parts."""
        rng = np.random.default_rng(5)
        parts = []
        for place, (count, rate) in enumerate(zip(speakers, rates, strict=True)):
            own = rng.beta(8 * rate, 8 * (1 - rate), (draws, count))  # correlation of 1 / 9 within a speaker
            right = rng.binomial(12, own).astype(np.float64)
            sums = np.zeros((draws, count, 4))
            sums[..., 2 * place], sums[..., 2 * place + 1] = right, 12.0
            parts.append(sums)
        return np.concatenate(parts, axis=1)

    @pytest.mark.parametrize("speakers", [(4, 4), (4, 12), (12, 12)])
    def test_the_interval_covers_as_often_as_it_says_or_more(self, speakers: tuple[int, int]) -> None:
        draws = max(1_000, get_settings().trial_count(4_000))
        drawn, strata = self.draw(speakers, (0.8, 0.6), draws), np.repeat([0, 1], speakers)
        found = stratified_jackknife(drawn, contrast(MEAN, [1.0, -1.0], "gap"), strata)
        low, high = found.ends(0.95)
        covered = float(np.mean((low <= 0.2) & (high >= 0.2)))
        assert covered > 0.95 - 0.015 - 3 * np.sqrt(0.05 * 0.95 / draws)

    def test_a_few_beside_many_cover_as_the_few_do_alone(self) -> None:
        """Four recalls of 0.8 are skewed, and a t of four alone covers 0.91; all as one sample would cover 0.90."""
        draws = max(4_000, get_settings().trial_count(4_000))
        drawn, strata = self.draw((4, 36), (0.8, 0.6), draws), np.repeat([0, 1], (4, 36))
        found = stratified_jackknife(drawn, contrast(MEAN, [1.0, -1.0], "gap"), strata)
        alone = jackknife(drawn[:, :4, :2], MEAN)
        covered, least = (
            float(np.mean((low <= truth) & (high >= truth)))
            for (low, high), truth in ((found.ends(0.95), 0.2), (alone.ends(0.95), 0.8))
        )
        assert covered > least - 3 * np.sqrt(0.05 * 0.95 / draws)

    def test_a_gap_as_large_as_the_limit_passes_hardly_ever(self) -> None:
        draws = max(1_000, get_settings().trial_count(4_000))
        drawn = self.draw((12, 12), (0.8, 0.6), draws)
        found = stratified_jackknife(drawn, contrast(MEAN, [1.0, -1.0], "gap"), np.repeat([0, 1], 12))
        passed = np.maximum(found.p_value(-0.2), 1 - found.p_value(0.2)) <= 0.025
        assert passed.mean() < 0.025 + 3 * np.sqrt(0.025 * 0.975 / draws)

    def test_stacking_rows_sums_as_it_should(self) -> None:
        one, other = mean_moments([1.0, 0.0, 1.0]), mean_moments([0.0, 0.0])
        sums = sum_groups(stack_parts([one, other]), np.array([0, 0, 1, 2, 2]))
        assert sums.tolist() == [[1, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 2]]


def about(estimate: float, error: float = 0.01) -> Interval:
    return Interval(estimate, estimate - 2 * error, estimate + 2 * error, 0.95, "by hand", error, 30.0)


class TestChances:
    @pytest.mark.parametrize("sign", [1, -1])
    @pytest.mark.parametrize(("gap", "within", "beyond"), [(0.0, True, False), (0.3, False, True), (0.2, False, False)])
    def test_whichever_group_is_ahead(self, sign: int, gap: float, within: bool, beyond: bool) -> None:
        one = GroupGap(about(sign * gap))
        assert (one.chance_within(0.2) < 0.025, one.chance_beyond(0.2) < 0.025) == (within, beyond)

    @pytest.mark.parametrize("ours", [0.0, 0.1, -0.1, 0.3, -0.3])
    @pytest.mark.parametrize("theirs", [0.0, 0.1, -0.1, 0.3, -0.3])
    def test_a_gap_that_is_no_larger_is_kept_and_one_that_is_has_grown(self, ours: float, theirs: float) -> None:
        one = GroupGap(about(ours), about(theirs), about(ours - theirs), about(ours + theirs))
        grown = abs(ours) - abs(theirs)
        assert (one.chance_kept(0.15) < 0.025) == (grown < 0.15)
        assert (one.chance_grown(0.15) < 0.025) == (grown > 0.15)

    def test_models_that_hear_the_same_speakers_are_told_apart_better_than_either_is_known(self) -> None:
        """Each gap is known within 0.3, their difference within 0.04: it is shown not to have grown by 0.2."""
        one = GroupGap(about(0.04, 0.07), about(0.07, 0.07), about(-0.03, 0.02), about(0.11, 0.14))
        assert one.chance_kept(0.2) < 0.001
        turned = GroupGap(about(-0.07, 0.07), about(0.07, 0.07), about(-0.14, 0.14), about(0.0, 0.02))
        assert turned.chance_kept(0.2) < 0.001, "it has turned round and is as large"

    @pytest.mark.parametrize("shared", [0.0, 0.5, 0.95])
    @pytest.mark.parametrize("champion", [0.0, 0.05, -0.3])
    def test_a_gap_that_has_grown_by_the_margin_seldom_looks_kept(self, shared: float, champion: float) -> None:
        """At the edge of the null, normal estimates whose errors agree more or less: no more than the level, both signs."""
        draw, error, margin = np.random.default_rng(11), 0.05, 0.2
        draws = max(500, get_settings().trial_count(4_000))
        covariance = error**2 * np.array([[1.0, shared], [shared, 1.0]])
        spread = {sign: math.sqrt(2 * error**2 * (1 + sign * shared)) for sign in (-1, 1)}
        for side in (-1.0, 1.0):
            mean = [side * (abs(champion) + margin), champion]
            kept = 0
            for ours, theirs in draw.multivariate_normal(mean, covariance, size=draws):
                one = GroupGap(
                    about(ours, error),
                    about(theirs, error),
                    about(ours - theirs, spread[-1]),
                    about(ours + theirs, spread[1]),
                )
                kept += one.chance_kept(margin) <= 0.025
            assert kept / draws < 0.025 + 3 * math.sqrt(0.025 * 0.975 / draws)

    def test_nothing_is_told_without_a_champion(self) -> None:
        one = GroupGap(about(0.1))
        assert one.growth is None
        assert np.isnan([one.chance_kept(0.2), one.chance_grown(0.2)]).all()

    @pytest.mark.parametrize(
        ("leads", "fair", "unfair"),
        [
            pytest.param((0.4, 0.4, 0.1, 0.1), True, False, id="all are raised"),
            pytest.param((0.4, 0.4, 0.0, 0.0), False, False, id="the worst served are where the best were"),
            pytest.param((0.4, 0.4, 0.2, -0.2), False, True, id="a group is served worse than another was before"),
        ],
    )
    def test_a_gap_may_grow_where_all_are_raised(self, leads: tuple[float, ...], fair: bool, unfair: bool) -> None:
        one = GroupGap(about(0.3), about(0.0), about(0.3), about(0.3), tuple(map(about, leads)))
        assert (one.chance_fair(0.15) < 0.025, one.chance_unfair(0.15) < 0.025) == (fair, unfair)

    def test_a_gap_that_is_kept_needs_no_raise(self) -> None:
        one = GroupGap(about(0.3), about(0.3), about(0.0), about(0.6), tuple(map(about, (0.0, -0.3, 0.3, 0.0))))
        assert (one.chance_fair(0.15) < 0.025, one.chance_unfair(0.15) < 0.025) == (True, False)

    @pytest.mark.parametrize("unknown", ["gap", "leads"])
    def test_what_cannot_be_known_is_not_shown(self, unknown: str) -> None:
        nothing, grown = about(math.nan, math.nan), about(0.3)
        known = nothing if unknown == "gap" else grown
        leads = (about(0.2) if unknown == "gap" else nothing,) * 4
        one = GroupGap(known, about(0.0), known, known, leads)
        assert not one.chance_fair(0.15) < 0.025
        assert np.isnan(one.chance_unfair(0.15))

    def test_that_all_are_raised_is_seldom_said_where_one_is_not(self) -> None:
        """At the edge of the null: the gap has grown by the margin and the worst served are where the best were before."""
        draw, error, draws = np.random.default_rng(12), 0.05, max(500, get_settings().trial_count(4_000))
        said = 0
        for ours, theirs, one, other in draw.multivariate_normal(
            [0.6, 0.4, 0.4, 0.4], error**2 * np.eye(4), size=draws
        ):
            pairs = [(ours, one), (ours, other), (theirs, one), (theirs, other)]
            found = GroupGap(
                about(ours - theirs, math.sqrt(2) * error),
                about(one - other, math.sqrt(2) * error),
                about(ours - theirs - one + other, 2 * error),
                about(ours - theirs + one - other, 2 * error),
                tuple(about(new - old, math.sqrt(2) * error) for new, old in pairs),
            )
            said += found.chance_fair(0.2) <= 0.025
        assert said / draws < 0.025 + 3 * math.sqrt(0.025 * 0.975 / draws)


class TestJudging:
    @pytest.mark.parametrize(
        ("men", "raised", "verdict"),
        [
            pytest.param(0.35, True, Verdict.PASS, id="all are raised"),
            pytest.param(0.35, False, Verdict.FAIL, id="the policy does not ask whether all are raised"),
            pytest.param(1.0, True, Verdict.FAIL, id="men are served worse than anybody was"),
        ],
    )
    def test_a_gap_beside_a_champion_that_served_all_badly(
        self, tmp_path: Path, men: float, raised: bool, verdict: Verdict
    ) -> None:
        """The champion is wrong about six of ten of both; about women the challenger is not, about men a little less."""
        table = spoil(make_answers(challenger=1.0, champion=1.0, speakers=20, repeats=24), "male", None, men)
        for gender in ("female", "male"):
            table = spoil(table, gender, None, 0.6, model="champion")
        fair = {**FAIR, "gap": {"margin": 0.2, "or_all_raised": raised}}
        found = reasons(judge(write_evaluation(tmp_path / "e", table), changed_policy(fairness=fair)))
        grown, over = (
            found.get(f"gender=female:male uar {name}")
            for name in ("gap beside the champion's", "of the worst served over the best served before")
        )
        said = over if verdict is Verdict.PASS else grown
        assert said is not None
        assert said.verdict is verdict
        assert isinstance(said.value, float)
        assert isinstance(said.bound, float)
        assert said.value > said.bound
        assert ("all are raised" in said.text) == raised

    def test_a_margin_is_what_being_raised_is_another_way_to(self) -> None:
        with pytest.raises(ValidationError, match="another way to a margin"):
            changed_policy(fairness={**FAIR, "gap": {"limit": 0.2, "or_all_raised": True}})

    def test_equal_groups_pass(self, tmp_path: Path) -> None:
        found = judge(write_evaluation(tmp_path / "e", make_answers(**MANY)), POLICY)
        assert found.verdict is Verdict.PASS
        assert len(reasons(found)) == 1 + len(LABELS)
        said = reasons(found)["gender=female:male uar gap beside the champion's"]
        assert (said.bound, said.utterances, said.speakers) == (0.2, 960, 20)

    def test_one_label_destroyed_for_one_gender_fails_by_its_recall(self, tmp_path: Path) -> None:
        # A recall of nothing moves the gap in UAR by 1/6, which is within the margin of 0.2, if the champion's is well known.
        table = spoil(make_answers(challenger=1.0, champion=0.8, speakers=20, repeats=24), "female", "fear", 1.0)
        found = judge(write_evaluation(tmp_path / "e", table), POLICY)
        objecting = [name for name, one in reasons(found).items() if one.verdict is not Verdict.PASS]
        assert objecting == ["gender=female:male,label=fear recall gap beside the champion's"]
        assert found.verdict is Verdict.FAIL
        assert {one.rule for one in found.reasons if one.verdict is not Verdict.PASS} == {"fairness"}

    def test_a_gap_that_the_champion_has_too_is_none_of_its_doing(self, tmp_path: Path) -> None:
        table = spoil(spoil(make_answers(**MANY), "female", None, 0.5), "female", None, 0.5, model="champion")
        folder = write_evaluation(tmp_path / "e", table)
        lenient = {"limit": 0.3, "comparison": {"kind": "non_inferiority", "margin": 0.2}}
        assert judge(folder, changed_policy(fairness=FAIR, measures={"uar": lenient})).verdict is Verdict.PASS
        limited = changed_policy(fairness={**FAIR, "gap": {"limit": 0.2}}, measures={"uar": lenient})
        assert reasons(judge(folder, limited))["gender=female:male uar gap"].verdict is Verdict.FAIL

    def test_a_thin_group_cannot_tell(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(**MANY))
        found = judge(folder, changed_policy(fairness={**FAIR, "minimum_speakers": 11}))
        assert found.verdict is Verdict.CANNOT_TELL
        assert {one.verdict for one in reasons(found).values()} == {Verdict.CANNOT_TELL}
        assert "gender=female has 480 utterances of 10 speakers" in next(iter(reasons(found).values())).text

    def test_a_rare_label_cannot_tell(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(**MANY))
        found = judge(folder, changed_policy(fairness={**FAIR, "minimum_per_label": 81}))
        assert reasons(found)["gender=female:male uar gap beside the champion's"].verdict is Verdict.PASS
        assert reasons(found)["gender=female:male,label=fear recall gap beside the champion's"].value is None
        assert found.verdict is Verdict.CANNOT_TELL

    def test_one_group_alone_cannot_tell(self, tmp_path: Path) -> None:
        rows = [{**row, "gender": None} for row in make_answers(**MANY).to_pylist()]
        table = pa.Table.from_pylist(rows, schema=make_answers().schema)
        found = judge(write_evaluation(tmp_path / "e", table), POLICY)
        assert found.verdict is Verdict.CANNOT_TELL
        assert next(iter(reasons(found).values())).text == "there are no two groups by gender"

    def test_every_two_of_three_groups(self, tmp_path: Path) -> None:
        rows = make_answers(**MANY).to_pylist()
        for row in rows:
            row["gender"] = None if row["speaker_id"] < "s06" else row["gender"]
        folder = write_evaluation(tmp_path / "e", pa.Table.from_pylist(rows, schema=make_answers().schema))
        found = judge(folder, changed_policy(fairness={**FAIR, "recall_gap": None}))
        assert [name.partition(" uar")[0] for name in reasons(found)] == [
            "gender=female:male",
            "gender=female:not known",
            "gender=male:not known",
        ]

    def test_a_first_champion_is_held_to_a_limit_alone(self, tmp_path: Path) -> None:
        table = spoil(make_answers(champion=None, **MANY), "female", None, 0.4)
        folder = write_evaluation(tmp_path / "e", table, champion=None, ever=False)
        assert judge(folder, POLICY, WORD).verdict is Verdict.PASS
        limited = changed_policy(fairness={**FAIR, "gap": {"limit": 0.2, "margin": 0.2}})
        assert judge(folder, limited, WORD).verdict is Verdict.FAIL
        assert judge(folder, POLICY).verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    "fairness",
    [
        {"by": ["gender"], "measure": "uar"},
        {**FAIR, "gap": {}},
        {**FAIR, "by": []},
        {**FAIR, "gap": {"limit": 0}},
        {**FAIR, "by": ["shoe_size"]},
    ],
)
def test_rules_that_make_no_sense_are_refused(fairness: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GatePolicy.model_validate({**POLICY.model_dump(), "fairness": fairness})
