"""Search spaces: what can be drawn is inside its bounds and accepted by the configuration; what cannot be is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.samplers import BaseSampler
from optuna.study import create_study
from pydantic import ValidationError

from voxloop.config import build_config, find_config, load_config, resolved
from voxloop.errors import ConfigError
from voxloop.tasks import get_task, task_names
from voxloop.tuning.sampling import make_distributions, make_pruner, make_sampler
from voxloop.tuning.space import Choice, IntRange, SearchSpace, check_space, write_override

SPACES = sorted(path for path in find_config("search", "emotion", "small").parents[1].glob("*/*.yaml"))


def float_ranges() -> st.SearchStrategy[dict[str, Any]]:
    ends = st.tuples(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3)).filter(lambda pair: pair[0] < pair[1])
    return st.builds(
        lambda pair, log: {"kind": "float", "path": "a", "low": pair[0], "high": pair[1], "log": log},
        ends,
        st.booleans(),
    )


def int_ranges() -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda low, step, count: {"kind": "int", "path": "a", "low": low, "high": low + step * count, "step": step},
        st.integers(-1000, 1000),
        st.integers(1, 50),
        st.integers(1, 300),
    )


def write_label(value: Any) -> str:
    """Return what Optuna would store: a text that spells a list is the same choice as the list."""
    return value if isinstance(value, str) else json.dumps(value)


def choices() -> st.SearchStrategy[dict[str, Any]]:
    plain = st.one_of(st.none(), st.text(max_size=5), st.lists(st.integers(0, 9), max_size=3), st.integers(2, 99))
    unlike = st.lists(plain, min_size=2, max_size=5, unique_by=write_label)
    return unlike.map(lambda values: {"kind": "choice", "path": "a", "choices": values})


@settings(max_examples=60, deadline=None)
@given(st.one_of(float_ranges(), int_ranges(), choices()), st.integers(0, 2**31))
def test_what_optuna_draws_is_inside_and_read_back_from_yaml_as_it_is(values: dict[str, Any], seed: int) -> None:
    space = SearchSpace.model_validate({"seed": seed, "trials": 1, "pruner": {"kind": "none"}, "parameters": [values]})
    (parameter,) = space.parameters
    study = create_study(sampler=make_sampler(space, 0))
    for _ in range(3):
        stored = study.ask(make_distributions(space)).params["a"]
        value = parameter.value_of(stored)
        if isinstance(parameter, Choice):
            assert value in parameter.choices
        else:
            assert parameter.low <= value <= parameter.high
        if isinstance(parameter, IntRange):
            assert isinstance(value, int)
            assert (value - parameter.low) % parameter.step == 0
        (override,) = space.overrides({"a": stored})
        read = yaml.safe_load(override.removeprefix("a="))
        assert (read, type(read)) == (value, type(value))


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_number_is_taken_for_a_word(value: float) -> None:
    read = yaml.safe_load(write_override("a", value).removeprefix("a="))
    assert isinstance(read, float)
    assert read == value


@pytest.mark.parametrize("path", SPACES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_space_of_ours_fits_its_family(path: Any) -> None:
    task = path.parent.name
    assert task in task_names()
    family = get_task(task)
    space = load_config(SearchSpace, path)
    values = resolved(load_config(family.Config, find_config("tasks", task, path.stem)))
    check_space(space, lambda over: build_config(family.Config, values, over, origin="it"), origin=path.stem)
    sampler: BaseSampler = make_sampler(space, 1)
    study = create_study(sampler=sampler, pruner=make_pruner(space, 16))
    for _ in range(20):
        trial = study.ask(make_distributions(space))
        build_config(family.Config, values, space.overrides(trial.params), origin="it")
        trial.report(0.5, 1)
        trial.should_prune()
        study.tell(trial, 0.5)


def test_every_family_has_a_space() -> None:
    assert {path.parent.name for path in SPACES} == set(task_names())


RATE = {"path": "optimiser.learning_rate", "kind": "float", "low": 1e-4, "high": 1e-2}


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ({**RATE, "path": "optimiser.learning_rat"}, "did you mean 'optimiser.learning_rate'"),
        ({**RATE, "path": "nonsense"}, "'nonsense' is not a key"),
        ({**RATE, "low": 0.0}, r"draw optimiser.learning_rate=0.0, .*greater than 0"),
        ({"path": "network.dropout", "kind": "float", "low": 0.0, "high": 1.0}, "network.dropout=1.0"),
        ({"path": "network.hidden", "kind": "choice", "choices": [8, "many"]}, "network.hidden=many"),
        ({"path": "network.hidden", "kind": "float", "low": 8, "high": 16}, "network.hidden=.*integer"),
        ({"path": "network.channels", "kind": "choice", "choices": [[4, 8], [4, 8, 16, 32]]}, "2 channels but 4"),
    ],
)
def test_what_the_configuration_refuses_is_told_before_anything_trains(parameter: dict[str, Any], told: str) -> None:
    family = get_task("emotion")
    values = resolved(load_config(family.Config, find_config("tasks", "emotion", "smoke")))
    space = SearchSpace.model_validate({"trials": 1, "pruner": {"kind": "none"}, "parameters": [parameter]})
    with pytest.raises(ConfigError, match=told) as raised:
        check_space(space, lambda over: build_config(family.Config, values, over, origin="it"), origin="search x")
    assert raised.value.problem.startswith("search x can draw")
    assert raised.value.rule
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ([{**RATE, "low": 1.0, "high": 0.5}], "must be less than"),
        ([{**RATE, "low": 0.0, "log": True}], "must be positive"),
        ([{"path": "epochs", "kind": "int", "low": 1, "high": 6, "step": 2}], "no number of steps of 2"),
        ([{"path": "epochs", "kind": "choice", "choices": [1, 1.0]}], "stands there twice"),
        ([RATE, RATE], "change the same value"),
        ([RATE, {"path": "optimiser", "kind": "choice", "choices": [{}, None]}], "change the same value"),
        ([{**RATE, "kind": "normal"}], "kind"),
        ([], "at least 1 item"),
    ],
)
def test_a_space_that_is_none_is_refused(parameters: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SearchSpace.model_validate({"trials": 1, "pruner": {"kind": "none"}, "parameters": parameters})


def test_workers_and_attempts_draw_differently_and_the_same_trial_the_same() -> None:
    space = SearchSpace.model_validate({"trials": 1, "pruner": {"kind": "none"}, "parameters": [RATE]})

    def draw(number: int) -> float:
        study = create_study(sampler=make_sampler(space, number))
        return float(study.ask(make_distributions(space)).params["optimiser.learning_rate"])

    assert draw(3) == draw(3)
    assert len({draw(number) for number in range(20)}) == 20
