"""Golden requests: how long they take side by side, and what is heard in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.unit.evaluation.cases import RIVAL, WORD, changed_policy, judge, make_answers, write_evaluation
from tests.unit.evaluation.tiny_models import write_model
from voxloop.evaluation.golden import GOLDEN_NAME, GoldenConfig, GoldenReport, measure_golden, silent_waveforms
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.policy import GatePolicy
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

CONFIG = GoldenConfig(seconds=(0.1, 0.2), rounds=3)
BOTH = changed_policy(golden={"slowdown": 3.0, "words_on_silence": 40})
SLOWDOWN = changed_policy(golden={"slowdown": 3.0})


def write_golden(folder: Path, **changes: object) -> None:
    known = {"challenger_digest": "a" * 64, "champion_digest": RIVAL.model_digest, "challenger_ms": 5.0}
    GoldenReport.model_validate({**known, "champion_ms": 5.0, "words_on_silence": 0.0, **changes}).write(folder)


def golden_reasons(judgement: Judgement) -> dict[str, Reason]:
    return {reason.measure: reason for reason in judgement.reasons if reason.rule == "golden"}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_evaluation(tmp_path / "evaluation", make_answers())


class TestMeasuring:
    def test_a_model_beside_itself_takes_as_long(self, tmp_path: Path) -> None:
        model = write_model(tmp_path / "model")
        found = measure_golden(model, model, CONFIG, threads=1)
        assert found.challenger_digest == found.champion_digest == digest_tree(model)
        assert found.slowdown is not None
        assert 0.1 < found.slowdown < 10.0
        assert found.words_on_silence is None  # the family writes no words

    def test_without_a_champion_there_is_nothing_to_be_slower_than(self, tmp_path: Path) -> None:
        found = measure_golden(write_model(tmp_path / "model"), None, CONFIG, threads=1)
        assert (found.champion_digest, found.champion_ms, found.slowdown) == (None, None, None)

    def test_silence_is_silent_and_the_same_every_time(self) -> None:
        sounds = silent_waveforms(CONFIG)
        assert len(sounds) == 6
        assert not sounds[0].any()
        assert max(np.abs(sound).max() for sound in sounds) < 100
        assert all(np.array_equal(one, other) for one, other in zip(sounds, silent_waveforms(CONFIG), strict=True))

    @pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
    def test_a_time_that_is_none_is_refused(self, value: float) -> None:
        with pytest.raises(ValidationError):
            GoldenReport(challenger_digest="a", champion_digest=None, challenger_ms=value)


class TestJudging:
    def test_in_time_and_silent_passes(self, good: Path) -> None:
        write_golden(good, challenger_ms=15.0)
        found = judge(good, BOTH)
        assert found.verdict is Verdict.PASS
        assert golden_reasons(found)["slowdown"].value == 3.0

    def test_too_slow_fails(self, good: Path) -> None:
        write_golden(good, challenger_ms=15.1)
        assert golden_reasons(judge(good, BOTH))["slowdown"].verdict is Verdict.FAIL
        assert judge(good, BOTH).verdict is Verdict.FAIL

    def test_words_in_silence_fail(self, good: Path) -> None:
        write_golden(good, words_on_silence=41.0)
        assert golden_reasons(judge(good, BOTH))["words on silence"].verdict is Verdict.FAIL
        assert judge(good, BOTH).verdict is Verdict.FAIL

    @pytest.mark.parametrize(
        "changes",
        [
            {"challenger_digest": "b" * 64},
            {"champion_digest": "b" * 64},
            {"champion_digest": None},
            {"champion_ms": None},
            {"words_on_silence": None},
        ],
    )
    def test_of_other_models_or_not_counted_cannot_tell(self, good: Path, changes: dict[str, object]) -> None:
        write_golden(good, **changes)
        assert judge(good, BOTH).verdict is Verdict.CANNOT_TELL

    @pytest.mark.parametrize("content", [None, "", "{}", '{"challenger_ms": NaN}'])
    def test_missing_or_malformed_cannot_tell(self, good: Path, content: str | None) -> None:
        (good / GOLDEN_NAME).unlink()
        if content is not None:
            (good / GOLDEN_NAME).write_text(content)
        assert judge(good, SLOWDOWN).verdict is Verdict.CANNOT_TELL

    @pytest.mark.parametrize("golden", [None, {}])
    def test_a_policy_that_asks_nothing_needs_no_report(self, good: Path, golden: dict[str, object] | None) -> None:
        (good / GOLDEN_NAME).unlink()
        assert judge(good, changed_policy(golden=golden)).verdict is Verdict.PASS

    def test_a_first_champion_has_nobody_to_be_slower_than(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "first", make_answers(champion=None), champion=None, ever=False)
        assert judge(folder, SLOWDOWN, bootstrap=WORD).verdict is Verdict.PASS
        assert golden_reasons(judge(folder, SLOWDOWN))["slowdown"].verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize("golden", [{"slowdown": 1.0}, {"words_on_silence": -1}, {"latency": 3.0}])
def test_rules_that_make_no_sense_are_refused(golden: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GatePolicy.model_validate({**BOTH.model_dump(), "golden": golden})
