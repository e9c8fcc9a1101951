"""Each component hands every argument to the parameter of the same name of its job, and nothing else."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in (ROOT / "components").glob("*.py") if path.stem not in {"__init__", "images"})
VALUES = {str: "text", bool: True, int: 3, list[str]: ["a.b=c", "d=1"]}
EXPECTED: dict[str, object] = {"overrides": ("a.b=c", "d=1"), "path": Path("text"), "bootstrap": True, "players": 3}


def give_arguments(function: Any) -> dict[str, Any]:
    """Return a value for every parameter: an artifact whose path names it, or a plain value."""
    parameters = inspect.signature(function).parameters
    return {
        name: VALUES[p.annotation] if p.annotation in VALUES else SimpleNamespace(path=f"/artifacts/{name}")
        for name, p in parameters.items()
    }


def record_call(
    name: str, monkeypatch: pytest.MonkeyPatch, answer: object
) -> tuple[dict[str, object], dict[str, Any], object]:
    """Call a component's body with its job replaced by one that only notes what it is given."""
    job = importlib.import_module(f"voxloop.jobs.{name}")
    signature = inspect.signature(getattr(job, name))
    noted: dict[str, object] = {}

    def note(*args: object, **kwargs: object) -> object:
        noted.update(signature.bind(*args, **kwargs).arguments)
        return answer

    monkeypatch.setattr(job, name, note)
    function = getattr(importlib.import_module(f"components.{name}"), name).python_func
    arguments = give_arguments(function)
    return noted, arguments, function(**arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_reaches_the_parameter_of_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noted, arguments, _ = record_call(name, monkeypatch, "PASS")
    expected = {
        key: EXPECTED.get(key, "text") if key in EXPECTED or value == "text" else Path(f"/artifacts/{key}")
        for key, value in arguments.items()
    }
    assert noted == expected


@pytest.mark.parametrize("name", ["validate", "leakage", "poison", "accept", "gate"])
@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "CANNOT_TELL"])
def test_a_verdict_comes_out_as_one_plain_string(name: str, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """kfp.local and Kubeflow both branch on it; a `StrEnum` would reach them as its own class."""
    from voxloop.verdict import Verdict

    _, _, answer = record_call(name, monkeypatch, Verdict(verdict))
    assert type(answer) is str
    assert answer == verdict


def test_an_empty_path_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VALUES, str, "")
    noted, _, _ = record_call("ingest", monkeypatch, None)
    assert noted["path"] is None
