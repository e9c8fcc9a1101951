"""What a model card says of changed conditions, behaviour and groups: the gate's own numbers, and a page of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.evaluation.cases import changed_policy, judge, make_answers, write_evaluation
from tests.unit.evaluation.changed_cases import BEHAVED, ROBUST, make_changed, write_changed_rows
from tests.unit.evaluation.family_cases import policy_for, write_asr
from tests.unit.evaluation.test_card_page import headings, page_of
from voxloop.evaluation.behaviour import CLEAN
from voxloop.evaluation.card import ConditionShown, RobustnessShown, SetFigures
from voxloop.evaluation.card_content import make_card
from voxloop.evaluation.judgement import IntervalRecord, Reason

FAIR = {"by": ["gender"], "measure": "uar", "gap": {"margin": 0.2, "limit": 0.6}}
POLICY = changed_policy(robustness=ROBUST, behaviour=BEHAVED, fairness=FAIR)


def figures_of(folder: Path) -> SetFigures:
    (one,) = make_card(folder, POLICY, policy_name="p", judgement=judge(folder, POLICY)).sets
    return one


def changed_of(folder: Path) -> RobustnessShown:
    found = figures_of(folder).robustness
    assert found is not None
    return found


def estimate_of(interval: IntervalRecord | None) -> float:
    assert interval is not None
    assert interval.estimate is not None
    return interval.estimate


def reasons(folder: Path, rule: str) -> dict[tuple[str, str], Reason]:
    return {(one.slice, one.measure): one for one in judge(folder, POLICY).reasons if one.rule == rule}


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Return an evaluation of which 200 rows were asked again."""
    folder = write_evaluation(tmp_path / "e", make_answers())
    return write_changed_rows(folder, make_changed(folder, challenger=0.7, champion=0.6, louder=0.8))


def test_each_condition_has_the_lead_that_decides(asked: Path) -> None:
    said, found = reasons(asked, "robustness"), changed_of(asked)
    assert (found.utterances, found.speakers, found.measure) == (200, 10, "uar")
    assert [one.name for one in found.conditions] == [CLEAN, "louder", "noise", "telephone"]
    for one in found.conditions[2:]:
        told = said[f"condition={one.name}", "uar lead"]
        assert one.lead is not None
        assert (one.lead.estimate, one.bound) == (told.value, told.bound)
    assert [one.bound for one in found.conditions if one.name in (CLEAN, "louder")] == [None, None]


def test_what_is_lost_beside_the_rows_as_they_are(asked: Path) -> None:
    clean, _, noise, _ = changed_of(asked).conditions
    assert clean.loss is None
    lost, before, behind = (estimate_of(one) for one in (noise.loss, clean.challenger, noise.challenger))
    assert lost == pytest.approx(before - behind)
    assert noise.condition.startswith("noise, snr_db 10")


def test_each_test_of_behaviour_has_the_share_that_decides(asked: Path) -> None:
    said, found = reasons(asked, "behaviour"), {one.name: one for one in changed_of(asked).behaviour}
    for name in BEHAVED["shares"]:
        told = said[f"test={name}", "share that holds"]
        assert (found[name].challenger, found[name].asked) == (told.value, told.bound)
    assert [(found[name].rows, found[name].asked) for name in ("answered", "not surer in noise")] == [
        (2, 1.0),
        (200, None),
    ]


def test_groups_have_the_gap_that_decides(asked: Path) -> None:
    said, (found,) = reasons(asked, "fairness"), figures_of(asked).gaps
    assert (found.name, found.limit, found.margin) == ("gender=female:male", 0.6, 0.2)
    assert found.growth == said[found.name, "uar gap beside the champion's"].value
    assert abs(estimate_of(found.challenger)) == said[found.name, "uar gap"].value


def test_without_rules_they_are_shown_and_nothing_is_asked(tmp_path: Path) -> None:
    (one,) = make_card(write_asr(tmp_path / "e"), policy_for("wer", 0.5), policy_name="p").sets
    assert [(gap.name, gap.measure, gap.limit, gap.margin) for gap in one.gaps] == [
        ("gender=female:male", "wer", None, None)
    ]
    assert one.robustness is None


def test_changed_rows_that_do_not_agree_are_not_shown(asked: Path) -> None:
    write_changed_rows(asked, make_changed(asked), model_digest="b" * 64)
    assert figures_of(asked).robustness is None


def test_an_answer_that_is_none_leaves_a_condition_without_figures(tmp_path: Path) -> None:
    folder = write_evaluation(tmp_path / "e", make_answers())
    rows = [row | {"answer": None} if row["asked"] == "noise" else row for row in make_changed(folder)]
    (noise,) = [one for one in changed_of(write_changed_rows(folder, rows)).conditions if one.name == "noise"]
    assert isinstance(noise, ConditionShown)
    assert (noise.challenger, noise.champion, noise.lead) == (None, None, None)
    assert "Under changed conditions" in headings(page_of(folder, POLICY))


def test_the_page_shows_them(asked: Path) -> None:
    page = page_of(asked, POLICY)
    assert headings(page)[3:7] == ["Slices", "Groups beside each other", "Under changed conditions", "Behaviour"]
    for text in ("200 utterances of 10 speakers were asked again", "above -0.150", "same label louder", "90.0%"):
        assert text in page
