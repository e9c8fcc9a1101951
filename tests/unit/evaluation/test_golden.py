"""Golden requests: how long they take side by side, and what is heard in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from pydantic import ValidationError

from tests.unit.evaluation.cases import RIVAL, WORD, changed_policy, judge, make_answers, write_evaluation
from tests.unit.evaluation.tiny_models import write_model
from voxloop.evaluation import memory
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.golden import GOLDEN_NAME, GoldenConfig, GoldenReport, measure_golden, silent_waveforms
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.evaluation.policy import GatePolicy
from voxloop.store.digests import digest_tree
from voxloop.verdict import Verdict

CONFIG = GoldenConfig(seconds=(0.1, 0.2), rounds=3)
BOTH = changed_policy(golden={"slowdown": 3.0, "words_on_silence": 40})
GROWTH = changed_policy(golden={"size": {"ratio": 2.0}, "memory": {"ratio": 2.0, "limit_mib": 100}})
SLOWDOWN = changed_policy(golden={"slowdown": 3.0})


def write_golden(folder: Path, **changes: object) -> None:
    known = {"challenger_digest": "a" * 64, "champion_digest": RIVAL.model_digest, "words_on_silence": 0.0}
    for one in ("challenger", "champion"):
        known |= {f"{one}_ms": 5.0, f"{one}_bytes": 3 * 2**20, f"{one}_memory_bytes": 40 * 2**20}
    GoldenReport.model_validate({**known, **changes}).write(folder)


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
        assert found.challenger_bytes == found.champion_bytes
        served = ("model.onnx", "model.json")
        assert found.challenger_bytes == sum((model / name).stat().st_size for name in served)

    def test_each_is_measured_in_a_process_of_its_own_and_twice_the_same(self, tmp_path: Path) -> None:
        model, hungry = write_model(tmp_path / "model"), write_model(tmp_path / "hungry")
        graph = onnx.load(hungry / "model.onnx")
        fill_memory(graph, 64 * 2**20)
        onnx.save(graph, hungry / "model.onnx")
        found = measure_golden(hungry, model, CONFIG, threads=1)
        again = measure_golden(model, model, CONFIG, threads=1)
        assert found.challenger_memory_bytes is not None
        assert found.champion_memory_bytes is not None
        assert again.champion_memory_bytes is not None
        assert found.challenger_memory_bytes - found.champion_memory_bytes == pytest.approx(64 * 2**20, rel=0.1)
        assert again.champion_memory_bytes == pytest.approx(found.champion_memory_bytes, rel=0.2)

    @pytest.mark.parametrize("command", ["/bin/false", "/nowhere/python"])
    def test_a_process_that_dies_is_no_figure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
    ) -> None:
        folder = write_model(tmp_path / "model")
        monkeypatch.setattr("sys.executable", command)
        assert memory.measure_memory(folder, ExportedModel(folder, threads=1), (0.1,), 1) is None

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
            GoldenReport(challenger_digest="a", champion_digest=None, challenger_ms=value, challenger_bytes=1)


def fill_memory(graph: onnx.ModelProto, size: int) -> None:
    """Let a graph fill so many bytes on every request, and answer as before."""
    for node in graph.graph.node:
        for place, name in enumerate(node.output):
            node.output[place] = "clean" if name == "probabilities" else name
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([size // 4]), "many"))
    made = onnx.helper.make_node
    graph.graph.node.extend(
        [
            made("Shape", ["waveform"], ["shape"], start=0, end=1),
            made("Cast", ["shape"], ["count"], to=onnx.TensorProto.FLOAT),
            made("Sign", ["count"], ["one"]),
            made("Expand", ["one", "many"], ["filled"]),
            made("ReduceMax", ["filled"], ["largest"], keepdims=0),
            made("Mul", ["clean", "largest"], ["probabilities"]),
        ]
    )


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

    @pytest.mark.parametrize(
        ("changes", "size", "memory"),
        [
            ({}, Verdict.PASS, Verdict.PASS),
            ({"challenger_bytes": 9 * 2**20}, Verdict.FAIL, Verdict.PASS),
            ({"challenger_memory_bytes": 81 * 2**20}, Verdict.PASS, Verdict.FAIL),
            ({"challenger_memory_bytes": None}, Verdict.PASS, Verdict.CANNOT_TELL),
            ({"champion_memory_bytes": None}, Verdict.PASS, Verdict.CANNOT_TELL),
            ({"champion_bytes": None}, Verdict.CANNOT_TELL, Verdict.PASS),
        ],
    )
    def test_size_and_memory(self, good: Path, changes: dict[str, object], size: Verdict, memory: Verdict) -> None:
        write_golden(good, **changes)
        found = judge(good, GROWTH)
        for what, verdict in (("size", size), ("memory", memory)):
            worst = [one.verdict for name, one in golden_reasons(found).items() if name.startswith(what)]
            assert Verdict.combine(worst) is verdict
        assert found.verdict is Verdict.combine([size, memory])

    def test_a_limit_holds_for_a_first_champion_and_a_ratio_does_not(self, tmp_path: Path) -> None:
        folder = write_evaluation(tmp_path / "first", make_answers(champion=None), champion=None, ever=False)
        nobody = {"champion_digest": None, "champion_ms": None, "champion_bytes": None, "champion_memory_bytes": None}
        write_golden(folder, **nobody)
        assert judge(folder, GROWTH, bootstrap=WORD).verdict is Verdict.PASS
        assert judge(folder, GROWTH).verdict is Verdict.CANNOT_TELL
        write_golden(folder, **nobody, challenger_memory_bytes=101 * 2**20)
        assert judge(folder, GROWTH, bootstrap=WORD).verdict is Verdict.FAIL

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


@pytest.mark.parametrize(
    "golden",
    [{"slowdown": 1.0}, {"words_on_silence": -1}, {"latency": 3.0}, {"size": {}}, {"memory": {"ratio": 0.5}}],
)
def test_rules_that_make_no_sense_are_refused(golden: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GatePolicy.model_validate({**BOTH.model_dump(), "golden": golden})
