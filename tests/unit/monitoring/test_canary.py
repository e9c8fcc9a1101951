from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from voxloop.config import find_config, load_config
from voxloop.errors import InputError
from voxloop.monitoring.canary_judgement import judge_canary, measure_quantile, measure_share, measure_shift
from voxloop.monitoring.canary_rows import CanaryRows, ModelRows, sort_rows
from voxloop.monitoring.canary_rules import CanaryConfig, parse_rules
from voxloop.settings import get_settings
from voxloop.verdict import Verdict

CONFIG = CanaryConfig(level=0.95, early_level=0.999, least_rows=100, least_groups=8, look_seconds=1, settle_seconds=0)
OURS, THEIRS = "c" * 64, "a" * 64


def rules(*texts: str, shadow: bool = True) -> Any:
    return parse_rules(texts, is_shadow=shadow, has_labels=True)


def make_model(
    draw: np.random.Generator, rows: int, *, failing: float = 0.0, ms: float = 10.0, angry: float = 0.5
) -> ModelRows:
    failed = draw.random(rows) < failing
    groups = draw.integers(20, size=rows)
    return ModelRows(
        failed=failed,
        milliseconds=ms * draw.gamma(20, 0.05, size=int((~failed).sum())),
        labels=np.where(draw.random(int((~failed).sum())) < angry, "anger", "neutral"),
        groups=groups,
        answered_groups=groups[~failed],
    )


def judge(candidate: ModelRows, champion: ModelRows, *texts: str, level: float = 0.95) -> list[Verdict]:
    pairs = (candidate.labels[:0], candidate.labels[:0], candidate.groups[:0])
    findings = judge_canary(CanaryRows(candidate, champion, pairs), rules(*texts), CONFIG, level=level)
    return [one.verdict for one in findings]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "reads like"),
        ("errors>1", "reads like"),
        ("errors<1%", "reads like"),
        ("errors>2x", "reads like"),
        ("errors>100%", "below 100"),
        ("latency_p95>5%", "reads like"),
        ("latency_p00>5ms", "quantiles"),
        ("mood>1%", "reads like"),
        ("agreement>90%", "reads like"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        rules(text)


def test_rules_are_read_and_what_cannot_be_told_is_refused() -> None:
    read = rules("errors>1%", "latency_p95>1.5x", "latency_p50 > 200ms", "agreement<90%", "distribution>10%")
    assert [(one.measure, one.limit, one.unit, one.is_above) for one in read] == [
        ("errors", 0.01, "%", True),
        ("latency_p95", 1.5, "x", True),
        ("latency_p50", 200.0, "ms", True),
        ("agreement", 0.9, "%", False),
        ("distribution", 0.1, "%", True),
    ]
    assert (read[1].quantile, read[0].quantile) == (0.95, None)
    with pytest.raises(InputError, match="no rule to abort by"):
        rules()
    with pytest.raises(InputError, match="that is a shadow"):
        rules("agreement<90%", shadow=False)
    with pytest.raises(InputError, match="answers none"):
        parse_rules(["distribution>10%"], is_shadow=True, has_labels=False)


def test_the_shipped_numbers_are_as_strict_as_the_gates() -> None:
    config = load_config(CanaryConfig, find_config("canary"))
    assert (config.level, config.least_groups) == (0.95, 8)
    assert config.early_level > config.level


def test_good_holds_bad_is_broken_and_little_cannot_be_told() -> None:
    draw = np.random.default_rng(1)
    good, champion = make_model(draw, 3_000), make_model(draw, 3_000)
    all_rules = ("errors>1%", "latency_p95>1.5x", "latency_p95>50ms", "distribution>20%")
    assert judge(good, champion, *all_rules) == [Verdict.PASS] * 4
    bad = make_model(draw, 3_000, failing=0.05, ms=60.0, angry=0.95)
    assert judge(bad, champion, *all_rules) == [Verdict.FAIL] * 4
    assert judge(make_model(draw, 60), champion, *all_rules) == [Verdict.CANNOT_TELL] * 4
    assert judge(good, make_model(draw, 60), "latency_p95>1.5x", "errors>1%") == [Verdict.CANNOT_TELL, Verdict.PASS]
    assert judge(make_model(draw, 150), champion, "errors>1%") == [Verdict.CANNOT_TELL], "no failure proves little"
    assert judge(good, champion, "agreement<90%") == [Verdict.CANNOT_TELL], "no request was answered by both"


def test_rows_of_few_speakers_tell_nothing() -> None:
    draw = np.random.default_rng(2)
    good = make_model(draw, 3_000)
    few = ModelRows(good.failed, good.milliseconds, good.labels, good.groups % 4, good.answered_groups % 4)
    assert judge(few, good, "errors>1%", "distribution>20%") == [Verdict.CANNOT_TELL] * 2


@pytest.mark.parametrize(("count", "rows"), [(0, 50), (3, 200), (50, 50)])
def test_a_share_is_never_surer_than_the_exact_binomial(count: int, rows: int) -> None:
    hits = np.arange(rows) < count
    estimate, low, high = measure_share(hits, np.arange(rows) % 10, 0.95)
    exact = binomtest(count, rows).proportion_ci(0.95, "exact")
    assert estimate == count / rows
    assert low <= exact.low + 1e-12
    assert high >= exact.high - 1e-12
    assert np.isnan(measure_share(hits, np.zeros(rows, np.int64), 0.95)[1:]).all()


def test_intervals_cover_what_they_claim() -> None:
    """Counted: shares with a speaker effect, quantiles, and the shift between two models that are the same."""
    trials = get_settings().trial_count(20_000)
    draw = np.random.default_rng(3)
    share = quantile = shift = 0
    for _ in range(trials):
        groups = np.repeat(np.arange(20), 20)
        rates = draw.beta(2, 18, size=20)[groups]
        _, low, high = measure_share(draw.random(400) < rates, groups, 0.95)
        share += low <= 0.1 <= high
        _, low, high = measure_quantile(draw.exponential(size=400), 0.95, 0.95)
        quantile += low <= -np.log(0.05) <= high
        _, low, _ = measure_shift(make_model(draw, 200), make_model(draw, 200), 0.95)
        shift += low == 0.0
    least = 0.95 * trials - 3 * np.sqrt(0.95 * 0.05 * trials)
    assert min(share, quantile, shift) >= least, (share, quantile, shift, trials)


def test_an_early_look_stops_a_good_model_seldom() -> None:
    draw = np.random.default_rng(4)
    trials, stopped = max(1, get_settings().trial_count(4_000) // 10), 0
    for _ in range(trials):
        failed, groups = draw.random(4_000) < 0.01, draw.integers(20, size=4_000)
        for look in range(1, 41):  # the limit is the truth: the worst case
            part = slice(0, 100 * look)
            if measure_share(failed[part], groups[part], 0.999)[1] > 0.01:
                stopped += 1
                break
    assert stopped <= max(2, 0.05 * trials + 3 * np.sqrt(0.05 * trials))


def test_rows_are_sorted_by_model_under_one_route_and_paired_by_request() -> None:
    def row(request: str, model: str, **changes: Any) -> dict[str, Any]:
        made = {"request_id": request, "model_digest": model, "route": 5, "status": 200, "label": "anger"}
        return {**made, "model_ms": 1.0, "speaker": "s1", "key_id": "k", "is_shadow": model == OURS, **changes}

    table = pa.Table.from_pylist(
        [
            row("1", THEIRS),
            row("1", OURS, label="neutral"),
            row("2", THEIRS, speaker=None, key_id="k2"),
            row("2", OURS, speaker=None, key_id="k2"),
            row("3", THEIRS, speaker="s2"),
            row("3", OURS, speaker="s2", status=503, label=None),
            row("4", OURS, route=4),
            row("5", "f" * 64),
        ]
    )
    rows = sort_rows(table, route=5, candidate=OURS, champion=THEIRS)
    assert rows.candidate.failed.tolist() == [False, False, True]
    assert (rows.champion.group_count, rows.candidate.group_count) == (3, 3)
    assert rows.candidate.labels.tolist() == ["neutral", "anger"]
    ours, theirs, groups = rows.pairs
    assert (ours == theirs).tolist() == [False, True]
    assert len(set(groups.tolist())) == 2
    empty = sort_rows(table.slice(0, 0), route=5, candidate=OURS, champion=THEIRS)
    assert judge(empty.candidate, empty.champion, "errors>1%") == [Verdict.CANNOT_TELL]
