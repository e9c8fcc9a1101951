"""Reading what a training left, and refusing what is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.comparison.reports import make_report
from voxloop.comparison.trained import read_trained
from voxloop.errors import InputError, IntegrityError
from voxloop.store.digests import RECORD_NAME, digest_file


def change(*place: str | int, to: Any = None) -> Callable[[dict[str, Any]], str]:
    """Return a change of one value of a report; None takes it away."""

    def changed(report: dict[str, Any]) -> str:
        *way, last = place
        found: Any = report
        for step in way:
            found = found[step]
        if to is None:
            del found[last]
        else:
            found[last] = to
        return json.dumps(report)

    return changed


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda report: json.dumps(report)[:200], "is not JSON"),
        (lambda _: "", "is not JSON"),
        (lambda _: "[]", "holds a list, not an object"),
        (lambda report: json.dumps(report).replace("0.6", "NaN"), "NaN is no number"),
        (change("history"), "history: Field required"),
        (change("history", to=[]), "history: Tuple should have at least 1 item"),
        (change("history", 1, "train_loss"), "history.1.train_loss: Field required"),
        (change("history", 1, "dev", to={"wa": 0.5}), "epoch 2 does not say its uar"),
        (change("history", 1, "epoch", to=7), "are not 1, 2, 3"),
        (change("best_epoch", to=4), "best_epoch 4 is none of 3 epochs"),
        (change("dataset_digest"), "dataset_digest: Field required"),
        (change("schema_version", to=1), "schema_version"),
        (change("parameters", to="many"), "parameters"),
    ],
)
def test_a_damaged_report_is_refused(tmp_path: Path, damage: Callable[[dict[str, Any]], str], named: str) -> None:
    (tmp_path / "training.json").write_text(damage(make_report()), encoding="utf-8")
    with pytest.raises(InputError) as told:
        read_trained(tmp_path, ("x",), "by hand")
    assert "training.json" in told.value.problem
    assert named in str(told.value)
    assert told.value.remedy


def test_a_report_that_is_not_the_recorded_one_is_refused(tmp_path: Path) -> None:
    report = tmp_path / "training.json"
    report.write_text(json.dumps(make_report()), encoding="utf-8")
    record = {"outputs": {report.name: digest_file(report)}, "inputs": {"start": "ab", "features": None}, "code": "cd"}
    (tmp_path / RECORD_NAME).write_text(json.dumps(record), encoding="utf-8")
    run = read_trained(tmp_path, ("x",), "by hand")
    assert (run.inputs, run.code) == ({"start": "ab", "features": None}, "cd")
    report.write_text(json.dumps(make_report(dev={"uar": 0.99})), encoding="utf-8")
    with pytest.raises(IntegrityError, match="is not what its step recorded"):
        read_trained(tmp_path, ("x",), "by hand")


def test_what_later_versions_add_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "training.json").write_text(json.dumps(make_report(novelty=1)), encoding="utf-8")
    assert read_trained(tmp_path, ("x",), "by hand").report.best.dev["uar"] == pytest.approx(0.6)
