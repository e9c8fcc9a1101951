"""What a model card says: the gate's own numbers, the slices, the worst; and that nothing is missing silently."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.unit.evaluation.cases import (
    POLICY,
    SLICES,
    WORD,
    changed_policy,
    judge,
    make_answers,
    write_evaluation,
)
from tests.unit.evaluation.family_cases import policy_for, write_asr, write_personality
from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.answers import ANSWERS_SCHEMA
from voxloop.evaluation.card import Card
from voxloop.evaluation.card_content import make_card, try_card, write_card
from voxloop.evaluation.card_families import bin_confidences
from voxloop.evaluation.case import Part, read_case
from voxloop.evaluation.policy import GatePolicy
from voxloop.verdict import Verdict

SLICED = changed_policy(slices=SLICES)


def card_of(folder: Path, policy: GatePolicy = SLICED, *, judged: bool = True, task: str = "emotion") -> Card:
    judgement = judge(folder, policy, task=task) if judged else None
    return make_card(folder, policy, policy_name="by-hand", judgement=judgement)


def part_of(folder: Path, policy: GatePolicy = SLICED, task: str = "emotion") -> Part:
    return read_case(folder, policy, task, None).first


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_evaluation(tmp_path / "good", make_answers(challenger=0.95))


class TestTheNumbersAreTheGates:
    def test_verdict_and_reasons(self, good: Path) -> None:
        said = judge(good, SLICED)
        card = card_of(good)
        assert (card.verdict, card.reasons, card.claim_text) == (said.verdict, said.reasons, said.claim_text)
        assert (card.evaluation_digest, card.policy) == (said.evaluation_digest, said.policy)

    def test_the_deciding_interval(self, good: Path) -> None:
        said, (one,) = judge(good, SLICED), card_of(good).sets
        assert one.leads[0].interval == said.interval
        assert (one.leads[0].kind, one.leads[0].bound) == ("non_inferiority", -0.03)
        assert [lead.bound for lead in one.leads[1:]] == [None] * 3
        assert (one.measures[0].challenger, one.measures[0].champion) == (
            said.intervals.challenger,
            said.intervals.champion,
        )
        assert one.measures[0].limit == 0.5

    def test_the_slices(self, good: Path) -> None:
        reasons = {reason.slice: reason for reason in judge(good, SLICED).reasons if reason.rule == "slices"}
        (one,) = card_of(good).sets
        found = {each.name: each for each in one.slices if each.bound is not None}
        assert found.keys() == reasons.keys()
        for name, each in found.items():
            assert each.lead is not None
            assert (each.lead.estimate, each.bound) == (reasons[name].value, reasons[name].bound)
            assert (each.utterances, each.speakers) == (reasons[name].utterances, reasons[name].speakers)

    def test_every_column_is_cut_and_thin_slices_are_named(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=12))
        (one,) = card_of(folder).sets
        assert {each.name.partition("=")[0] for each in one.slices} == {
            "gender",
            "age_band",
            "language",
            "source",
            "duration",
            "snr",
            "device",
        }
        (thin,) = [each for each in one.slices if each.thin]
        assert (thin.name, thin.speakers, thin.lead) == ("age_band=30 to 49", 2, None)
        assert thin.thin == "asked for are 48 utterances of 4 speakers"

    @pytest.mark.parametrize("reason_set", [None, "new"])
    def test_every_set_has_the_bound_that_is_asked_of_it(self, tmp_path: Path, reason_set: str | None) -> None:
        both = pa.concat_tables([make_answers(), make_answers(evaluation_set="new", seed=8)])
        folder = write_evaluation(tmp_path / "e", both)
        card = make_card(folder, POLICY, policy_name="p", judgement=judge(folder, POLICY, reason_set=reason_set))
        bounds = {one.name: (one.leads[0].kind, one.leads[0].bound) for one in card.sets}
        asked = ("superiority", 0.0) if reason_set else ("non_inferiority", -0.03)
        assert bounds == {"new": asked, "test": ("non_inferiority", -0.03)}


class TestSingleSpeakers:
    def test_each_is_measured_alone_the_smallest_lead_first(self, good: Path) -> None:
        part, (one,) = part_of(good), card_of(good).sets
        assert one.by_speaker is not None
        leads = [each.lead for each in one.by_speaker.speakers]
        assert leads == sorted(leads, key=lambda lead: lead if lead is not None else np.inf)
        for each in one.by_speaker.speakers:
            alone = part.cut(part.challenger.speaker_ids == each.speaker_id)
            assert each.challenger == alone.challenger_interval("uar").estimate
            assert each.lead == pytest.approx(alone.lead("uar").estimate)

    def test_a_person_has_an_error_where_a_correlation_needs_several(self, tmp_path: Path) -> None:
        folder = write_personality(tmp_path / "e")
        (one,) = card_of(folder, policy_for("ccc", 0.1), task="personality").sets
        assert one.by_speaker is not None
        assert (one.by_speaker.measure, len(one.by_speaker.speakers)) == ("mae", 24)
        assert all(each.challenger is not None for each in one.by_speaker.speakers)
        errors = [
            np.mean([abs(point.reference - point.challenger) for point in one.traits if point.speaker_id == name])
            for name in (each.speaker_id for each in one.by_speaker.speakers)
        ]
        assert errors == pytest.approx([each.challenger for each in one.by_speaker.speakers])


class TestWhatAFamilyHas:
    def test_emotion_has_confusion_and_reliability(self, good: Path) -> None:
        (one,) = card_of(good).sets
        assert one.confusion is not None
        assert sum(map(sum, one.confusion.challenger)) == 300
        assert one.reliability is not None
        told = sum(abs(each.right - each.confidence) * each.count for each in one.reliability.challenger) / 300
        (ece,) = [each for each in one.measures if each.measure == "ece"]
        assert told == pytest.approx(ece.challenger.estimate)
        assert (one.durations, one.traits) == ((), ())

    def test_bins_are_cut_as_the_calibration_error_cuts_them(self, good: Path) -> None:
        found = list(bin_confidences(part_of(good).challenger))
        assert [each.count for each in found] == [300]
        assert found[0].confidence == pytest.approx(0.9)

    def test_a_recogniser_has_errors_by_duration_in_order(self, tmp_path: Path) -> None:
        card = card_of(write_asr(tmp_path / "e"), policy_for("wer", 0.5), task="asr")
        (one,) = card.sets
        assert [each.name for each in one.durations] == [
            "duration=under 1 s",
            "duration=1 to 3 s",
            "duration=3 to 10 s",
            "duration=over 10 s",
        ]
        assert all(each.challenger is not None and each.utterances == 20 for each in one.durations)
        assert [each.name for each in one.snrs] == [
            "snr=under 10 dB",
            "snr=10 to 20 dB",
            "snr=20 to 30 dB",
            "snr=over 30 dB",
        ]
        assert all(each.challenger is not None and each.utterances == 20 for each in one.snrs)

    def test_personality_has_a_point_a_speaker_and_trait(self, tmp_path: Path) -> None:
        (one,) = card_of(write_personality(tmp_path / "e"), policy_for("ccc", 0.1), task="personality").sets
        assert len(one.traits) == 24 * 5
        assert all(1 < point.reference < 7 and point.champion is not None for point in one.traits)


class TestTheWorst:
    def test_emotion_the_surest_wrong_ones(self, good: Path) -> None:
        (one,) = card_of(good).sets
        assert [worst.utterance_id for worst in one.worst] == sorted(worst.utterance_id for worst in one.worst)
        assert 0 < len(one.worst) <= 8
        assert all(worst.challenger.split(" ")[0] != worst.reference for worst in one.worst)
        assert one.worst[0].problem == "wrong, and 0.90 sure of it"

    def test_a_recogniser_the_most_errors(self, tmp_path: Path) -> None:
        (one,) = card_of(write_asr(tmp_path / "e"), policy_for("wer", 0.5), task="asr").sets
        counts = [int(worst.problem.split()[0]) for worst in one.worst]
        assert counts == sorted(counts, reverse=True)
        assert counts[0] == sum(
            a != b for a, b in zip(one.worst[0].reference.split(), one.worst[0].challenger.split(), strict=True)
        )

    def test_personality_the_furthest_off_in_the_mean_of_its_traits(self, tmp_path: Path) -> None:
        (one,) = card_of(write_personality(tmp_path / "e"), policy_for("ccc", 0.1), task="personality").sets
        first = one.worst[0]
        wanted, found = (
            np.array([float(word) for word in re.findall(r"\d+\.\d+", text)])
            for text in (first.reference, first.challenger)
        )
        assert re.fullmatch(r"A [\d.]+, C [\d.]+, E [\d.]+, N [\d.]+, O [\d.]+", first.reference)
        assert float(first.problem.split()[2]) == pytest.approx(np.abs(wanted - found).mean(), abs=0.02)

    def test_a_model_without_a_fault_has_none(self, tmp_path: Path) -> None:
        (one,) = card_of(write_evaluation(tmp_path / "e", make_answers(challenger=1.0))).sets
        assert one.worst == ()


class TestWhatIsMissing:
    def test_without_a_verdict_it_says_so_and_has_the_same_figures(self, good: Path) -> None:
        with_one, without = card_of(good), card_of(good, judged=False)
        assert (without.verdict, without.reasons) == (None, ())
        assert without.sets == with_one.sets

    def test_without_a_champion_nothing_is_compared(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(champion=None), champion=None, ever=False)
        card = make_card(folder, POLICY, policy_name="p", judgement=judge(folder, bootstrap=WORD))
        (one,) = card.sets
        assert (card.verdict, card.because) == (Verdict.PASS, WORD.because)
        assert (one.leads, one.resampled, one.measures[0].champion) == ((), None, None)
        assert all(each.lead is None and (each.challenger or each.thin) for each in one.slices)
        assert one.worst[0].champion is None
        assert "There is no champion: nothing is compared." in card.caveats

    def test_an_empty_evaluation_has_its_counts(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", ANSWERS_SCHEMA.empty_table())
        (one,) = card_of(folder).sets
        assert (one.counts.utterances, one.measures, one.worst) == (0, (), ())

    def test_unsound_evidence_gives_no_figures(self, tmp_path: Path) -> None:
        table = make_answers()
        folder = write_evaluation(tmp_path / "e", pa.concat_tables([table, table.slice(0, 1)]))
        card = card_of(folder)
        assert card.verdict is Verdict.CANNOT_TELL
        assert card.sets[0].measures == ()
        assert "not sound" in card.caveats[0]
        assert card_of(folder, judged=False).sets == card.sets

    def test_a_missing_answer_gives_no_figures(self, tmp_path: Path) -> None:
        table = make_answers()
        answers = pc.if_else(pa.array([i == 3 for i in range(len(table))]), None, table["answer"])
        table = table.set_column(table.schema.get_field_index("answer"), "answer", answers)
        assert card_of(write_evaluation(tmp_path / "e", table)).sets[0].measures == ()

    def test_two_speakers_have_figures_and_wide_intervals(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=2))
        (one,) = card_of(folder).sets
        assert one.measures[0].challenger.low is not None
        assert all(each.thin for each in one.slices)

    def test_one_speaker_has_no_interval(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "e", make_answers(speakers=1))
        (one,) = card_of(folder).sets
        assert (one.measures[0].challenger.low, one.leads[0].interval.low) == (None, None)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "e").mkdir()
        with pytest.raises(InputError, match=r"evaluation\.json is missing"):
            make_card(tmp_path / "e", POLICY, policy_name="p")


def test_a_verdict_on_something_else_is_refused(good: Path, tmp_path: Path) -> None:
    other = write_evaluation(tmp_path / "other", make_answers(seed=8))
    with pytest.raises(IntegrityError, match="the verdict is about evaluation"):
        make_card(other, SLICED, policy_name="p", judgement=judge(good, SLICED))
    with pytest.raises(IntegrityError, match="the verdict is about policy"):
        make_card(good, POLICY, policy_name="p", judgement=judge(good, SLICED))


@pytest.mark.parametrize("sounds", [{}, {"s00-anger-0": b"fLaC"}])
def test_the_same_evidence_gives_the_same_bytes(good: Path, tmp_path: Path, sounds: dict[str, bytes]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_card(card_of(good), tmp_path / name, sounds)
    for file in ("card.json", "card.html"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    read = Card.model_validate_json((tmp_path / "one" / "card.json").read_bytes())
    assert read.sets[0].leads == card_of(good).sets[0].leads


def test_the_order_of_rows_changes_nothing(good: Path, tmp_path: Path) -> None:
    table = make_answers(challenger=0.95)
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    assert card_of(write_evaluation(tmp_path / "e", shuffled)) == card_of(good)


def test_a_card_that_cannot_be_made_leaves_nothing_and_says_why(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_page(*_: object) -> str:
        raise ZeroDivisionError("a picture")

    monkeypatch.setattr("voxloop.evaluation.card_content.write_page", break_page)
    (tmp_path / "out").mkdir()
    assert try_card(good, SLICED, judge(good, SLICED), tmp_path / "out") == "ZeroDivisionError: a picture"
    assert list((tmp_path / "out").iterdir()) == []


def test_json_is_strict(good: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_card(card_of(good), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "card.json").read_text(), parse_constant=pytest.fail)
    assert content["schema_version"] == 2
