"""A fault through the whole pipeline: what counts as turned away, whatever the platform says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.evaluation.tiny_models import write_model
from tests.unit.training.tones import write_tones
from voxloop.config import find_config, load_config
from voxloop.errors import ConfigError
from voxloop.evaluation.judgement import Judgement, Reason
from voxloop.selftest.config import Expectation, SelfTestConfig
from voxloop.selftest.night import CONTROL, Night, Standing, judge_control, judge_fault, try_pipeline
from voxloop.selftest.trial import FAULTS, Outcome
from voxloop.store.digests import digest_tree
from voxloop.tasks import task_names
from voxloop.verdict import Verdict

PLANTED = "d" * 64
EXPECTED = Expectation(rule="comparison", measure="uar lead")
BLANK = Outcome("pipeline: swapped label order", "emotion", 1, None, "", good=False, is_control=False)


def judgement(verdict: Verdict, *, rule: str = "comparison", model: str = PLANTED) -> Judgement:
    """Return what a gate says that objects by one rule, or by none."""
    found = {
        "rule": rule,
        "measure": "uar lead",
        "value": -0.5,
        "bound": -0.03,
        "verdict": verdict,
        "text": f"{rule} objects",
    }
    return Judgement.model_validate(
        {
            "verdict": verdict,
            "reasons": [Reason.model_validate(found)],
            "policy": {"name": "emotion", "digest": "p"},
            "task": "emotion",
            "evaluation_digest": "e",
            "model_digest": model,
            "champion": None,
            "bootstrap": None,
            "reason_set": None,
            "claim": "new speakers",
            "claim_text": "",
            "interval": None,
            "intervals": {},
        }
    )


STOPPED = Night(data_verdict="PASS", judgement=judgement(Verdict.FAIL), recorded="FAIL", folders={})
PASSED = replace(STOPPED, judgement=judgement(Verdict.PASS), recorded="PASS", has_registered=True, version=2)


def test_a_fault_that_is_stopped_for_its_reason_is_caught() -> None:
    found = judge_fault(BLANK, STOPPED, EXPECTED, PLANTED, True)
    assert (found.good, found.reason) == (True, "comparison objects")


@pytest.mark.parametrize(
    ("night", "told"),
    [
        pytest.param(PASSED, "it was registered", id="it passed"),
        pytest.param(
            replace(PASSED, has_registered=False, version=None), "no objection", id="a gate that only says PASS"
        ),
        pytest.param(replace(STOPPED, has_registered=True), "it was registered", id="registered all the same"),
        pytest.param(replace(STOPPED, version=2), "it was registered", id="a version all the same"),
        pytest.param(
            replace(STOPPED, judgement=judgement(Verdict.FAIL, rule="golden")), "golden objects", id="another reason"
        ),
        pytest.param(
            replace(STOPPED, judgement=judgement(Verdict.FAIL, model="f" * 64)), "another model", id="another model"
        ),
        pytest.param(replace(STOPPED, recorded=""), "by no verdict", id="not tracked"),
        pytest.param(replace(STOPPED, recorded="PASS"), "by PASS", id="tracked as a pass"),
        pytest.param(replace(STOPPED, judgement=None, data_verdict="FAIL"), "data FAIL", id="the data were refused"),
        pytest.param(replace(STOPPED, error="step train failed"), "step train failed", id="a step failed"),
    ],
)
def test_anything_else_is_missed(night: Night, told: str) -> None:
    found = judge_fault(BLANK, night, EXPECTED, PLANTED, True)
    assert not found.good
    assert told in found.reason


def test_a_registry_that_was_touched_is_no_catch() -> None:
    assert not judge_fault(BLANK, STOPPED, EXPECTED, PLANTED, False).good


@pytest.mark.parametrize(
    ("night", "good"),
    [
        (PASSED, True),
        (replace(PASSED, version=None), False),
        (replace(PASSED, error="step register failed"), False),
        (replace(STOPPED, version=2), False),
        (Night(data_verdict="FAIL"), False),
        (Night(error="no result"), False),
    ],
)
def test_the_first_champion_must_come_through(night: Night, good: bool) -> None:
    assert judge_control(replace(BLANK, is_control=True), night).good is good


@dataclass
class Pretended:
    """A platform that says what it is told to: of the nights, and of the registry before and after."""

    nights: list[Night]
    standings: list[Standing]
    ran: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    planted: list[str] = field(default_factory=list)

    def run(self, name: str, arguments: Mapping[str, object]) -> Night:
        self.ran.append((name, arguments))
        night = self.nights.pop(0)
        if name == "fault" and night.judgement is not None:
            judged = night.judgement.model_copy(update={"model_digest": self.planted[-1]})
            return replace(night, judgement=judged)
        return night

    def appoint(self, version: int) -> None:
        assert version == 2

    def read_standing(self) -> Standing:
        return self.standings.pop(0)

    def replace_export(self, _exported: Path, model: Path) -> None:
        self.planted.append(digest_tree(model))


BEFORE = Standing((2,), None, 2)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """The dataset and the model of a first night, as far as labels are swapped in them."""
    return {"ingest": write_tones(tmp_path / "dataset"), "export": write_model(tmp_path / "model")}


def load_shipped(**changes: Any) -> SelfTestConfig:
    config = load_config(SelfTestConfig, find_config("selftest", "emotion"))
    return config.model_copy(update=changes)


def try_tiny(tmp_path: Path, platform: Pretended, config: SelfTestConfig | None = None) -> list[Outcome]:
    (tmp_path / "fault").mkdir()
    return try_pipeline("emotion", 5, config or load_shipped(), platform, tmp_path / "fault")


def test_the_second_night_asks_for_the_same_without_an_approver(tmp_path: Path, folders: dict[str, Path]) -> None:
    platform = Pretended([replace(PASSED, folders=folders), STOPPED], [BEFORE, BEFORE])
    assert [one.good for one in try_tiny(tmp_path, platform)] == [True, True]
    (_, first), (_, second) = platform.ran
    assert set(first) - set(second) == {"bootstrap", "because"}
    assert all(first[key] == value for key, value in second.items())
    assert second["policy"] == "emotion"
    assert platform.planted != [digest_tree(folders["export"])]


def test_a_second_version_is_seen(tmp_path: Path, folders: dict[str, Path]) -> None:
    platform = Pretended([replace(PASSED, folders=folders), STOPPED], [BEFORE, Standing((2, 3), 3, 2)])
    assert [one.good for one in try_tiny(tmp_path, platform)] == [True, False]


def test_without_a_champion_the_fault_is_not_tried_and_counts_as_missed(tmp_path: Path) -> None:
    outcomes = try_tiny(tmp_path, Pretended([Night(data_verdict="FAIL")], []))
    assert [(one.name, one.good, one.is_control) for one in outcomes] == [
        (CONTROL, False, True),
        ("pipeline: swapped label order", False, False),
    ]


@pytest.mark.parametrize("fault", ["stale copy", "training on the evaluation set"])
def test_a_fault_that_is_no_model_of_its_own_is_refused(
    tmp_path: Path, folders: dict[str, Path], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "training on the evaluation set":
        from voxloop.selftest.challenge import DataAnswer

        monkeypatch.setitem(FAULTS, fault, lambda _bench, _folder: DataAnswer(Verdict.FAIL, ()))
    config = load_shipped()
    changed = config.model_copy(update={"pipeline": config.pipeline.model_copy(update={"fault": fault})})
    with pytest.raises(ConfigError, match="makes no model of its own"):
        try_tiny(tmp_path, Pretended([replace(PASSED, folders=folders)], [BEFORE]), changed)


@pytest.mark.parametrize("task", task_names())
def test_the_fault_of_a_shipped_self_test_has_a_reason(task: str) -> None:
    config = load_config(SelfTestConfig, find_config("selftest", task))
    assert config.pipeline.fault in config.faults
    with pytest.raises(ConfigError, match="is none of faults"):
        load_config(SelfTestConfig, find_config("selftest", task), ("pipeline.fault=gremlins",))
