"""A route: what it accepts, that shares come out, that callers stay, and that the ledger gives back what it was given."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.ledger.books import open_book
from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.ledger.entry import Draft
from voxloop.release.routes import Route, parse_route, read_route, record_route

AT = datetime(2026, 1, 2, tzinfo=UTC)
A, B, C = ("a" * 64, "b" * 64, "c" * 64)
MODELS = st.lists(st.sampled_from([digit * 64 for digit in "0123456789abcdef"]), min_size=1, max_size=6, unique=True)


def make_route(**changed: Any) -> Route:
    return replace(Route("emotion", {A: 1.0}, shadow=None, is_on=True, salt="s", fallback=None), **changed)


@st.composite
def routes(draw: st.DrawFn) -> Route:
    models = draw(MODELS)
    raw = [draw(st.integers(0, 100)) for _ in models]
    raw[0] += 1
    weights = {model: one / sum(raw) for model, one in zip(models, raw, strict=True)}
    return make_route(weights=weights, salt=draw(st.text("abc", min_size=1, max_size=8)))


CALLERS = st.lists(st.text(max_size=20), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"weights": {A: 0.5}}, "sum to 1"),
        ({"weights": {A: 0.7, B: 0.7}}, "sum to 1"),
        ({"weights": {}}, "at least one model"),
        ({"weights": {A: 0.0}}, "sum to 1"),
        ({"weights": {A: math.nan}}, "finite"),
        ({"weights": {A: math.inf}}, "finite"),
        ({"weights": {A: 1.5, B: -0.5}}, "at least 0"),
        ({"weights": {A: True}}, "finite number"),
        ({"weights": {"emotion": 1.0}}, "SHA-256"),
        ({"weights": {A.upper(): 1.0}}, "SHA-256"),
        ({"weights": {None: 1.0}}, "SHA-256"),
        ({"shadow": "x"}, "SHA-256"),
        ({"shadow": A}, "a shadow answers nobody"),
        ({"fallback": A}, "another model"),
        ({"fallback": ""}, "SHA-256"),
        ({"is_on": 1}, "true or false"),
        ({"salt": ""}, "printable"),
        ({"salt": "a\n"}, "printable"),
        ({"task": ""}, "family"),
    ],
)
def test_what_is_no_route_is_refused(changed: dict[str, Any], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        make_route(**changed)


def test_a_route_that_is_off_may_keep_its_weights_or_have_none_and_answers_nobody() -> None:
    for weights in ({}, {A: 1.0}, {A: 0.25, B: 0.75}):
        with pytest.raises(RefusedError, match="switched off"):
            make_route(weights=weights, is_on=False).choose("ann")


def test_its_weights_cannot_be_changed_afterwards() -> None:
    given_weights = {A: 1.0}
    route = make_route(weights=given_weights)
    given_weights[B] = 9.0
    assert route.weights == {A: 1.0}
    with pytest.raises(TypeError):
        route.weights[A] = 0.0  # type: ignore[index]


@pytest.mark.parametrize("weights", [{A: 0.5, B: 0.5}, {A: 0.95, B: 0.05}, {A: 0.2, B: 0.3, C: 0.5}, {A: 1.0, B: 0.0}])
def test_shares_come_out_right(weights: dict[str, float]) -> None:
    callers = 20_000
    route = make_route(weights=weights, salt="of the trial")
    found = Counter(route.choose(f"caller {number}") for number in range(callers))
    for model, weight in weights.items():
        # Five standard deviations of a binomial share.
        assert abs(found[model] / callers - weight) <= 5 * math.sqrt(weight * (1 - weight) / callers)


def test_another_salt_mixes_the_callers_anew() -> None:
    one, other = (make_route(weights={A: 0.5, B: 0.5}, salt=salt) for salt in ("one", "other"))
    stayed = sum(one.choose(str(caller)) == other.choose(str(caller)) for caller in range(2000))
    assert 880 < stayed < 1120


@given(routes(), CALLERS)
def test_a_caller_stays_with_a_model_that_has_a_weight(route: Route, callers: list[str]) -> None:
    again = parse_route("emotion", dict(reversed(route.as_payload().items())))
    for caller in callers:
        assert route.choose(caller) in route.models
        assert route.choose(caller) == again.choose(caller)


@given(routes(), CALLERS, st.data())
def test_a_raised_weight_draws_callers_to_itself_alone(route: Route, callers: list[str], data: st.DataObject) -> None:
    raised = data.draw(st.sampled_from(sorted(route.weights)))
    was = route.weights[raised]
    now = data.draw(st.floats(was, 1.0))
    rest = (1 - now) / (1 - was) if was < 1 else 0.0
    weights = {model: now if model == raised else weight * rest for model, weight in route.weights.items()}
    after = replace(route, weights=weights)
    for caller in callers:
        assert after.choose(caller) in (route.choose(caller), raised)


@given(routes(), st.sampled_from([None, "d" * 64]), st.booleans())
def test_the_payload_gives_the_route_back(route: Route, fallback: str | None, is_on: bool) -> None:
    models = dict.fromkeys(route.models)
    route = replace(route, fallback=None if fallback in models else fallback, is_on=is_on)
    assert parse_route("emotion", route.as_payload()) == route


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"weights": {A: 1.0}},
        {**make_route().as_payload(), "more": 1},
        {**make_route().as_payload(), "weights": [A]},
        [],
    ],
)
def test_another_payload_is_refused(payload: Any) -> None:
    with pytest.raises(InputError):
        parse_route("emotion", payload)


def test_the_newest_row_of_the_family_is_in_force(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    assert read_route(ledger.read(), "emotion") is None
    first, second = make_route(), make_route(weights={B: 1.0}, fallback=A)
    record_route(ledger, first, act="route/promotion/1", at=AT)
    record_route(ledger, second, act="route/promotion/2", at=AT, because="approved")
    record_route(ledger, replace(first, task="asr"), act="route/promotion/3", at=AT)
    assert read_route(ledger.read(), "emotion") == second
    # An act that runs twice writes once, and does not come back into force by being repeated.
    assert record_route(ledger, first, act="route/promotion/1", at=AT).sequence == 1
    assert read_route(ledger.read(), "emotion") == second
    assert [entry.subject for entry in ledger.read()] == [A, B, A]


def test_a_row_that_holds_no_route_is_said_to_be_none(tmp_path: Path) -> None:
    ledger = open_book(tmp_path)
    ledger.append(Draft(kind="route", task="emotion", subject=A, act="route/x", payload={"route": {"x": 1}}, at=AT))
    with pytest.raises(IntegrityError, match="entry 1 holds no route"):
        read_route(ledger.read(), "emotion")
