"""What is asked of a dataset beside the one that was accepted last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from great_expectations.expectations import core as gxe
from great_expectations.expectations.row_conditions import Column

from voxloop.adapters.validation_checks import Check, between
from voxloop.adapters.validation_suite import PreviousConfig
from voxloop.data.profile import LEVELLED, QUANTILES, DatasetProfile
from voxloop.data.schema import UTTERANCE_SCHEMA

OF_SOUND = {"characters_per_second": "text"}
"""The column of the dataset that a derived one is about."""


class ExpectColumnQuantileValuesToBeNear(gxe.ExpectColumnQuantileValuesToBeBetween):
    """Quantiles within ranges, with an answer that can be kept: numpy's bool is no JSON for Great Expectations 1.24."""

    def _validate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        answer: dict[str, Any] = super()._validate(*args, **kwargs)
        details = [bool(one) for one in answer["result"]["details"]["success_details"]]
        result = {**answer["result"], "details": {"success_details": details}}
        return {"success": bool(answer["success"]), "result": result}


def compare_rows(now: DatasetProfile, before: DatasetProfile, config: PreviousConfig) -> list[Check]:
    """Return what is asked of the rows: shares of nulls and labels, quantiles, and levels by label."""
    return [
        *_missing(now, before, config),
        *_quantiles(now, before, config),
        *_label_shares(now, before, config),
        *_label_levels(now, before, config),
    ]


def compare_figures(before: DatasetProfile, config: PreviousConfig) -> list[Check]:
    """Return what is asked of a dataset as a whole: that rows have not gone, nor texts come loose from their audio."""
    least = between("utterances", config.least_rows * before.utterances, None)
    checks = [Check(f"at least {config.least_rows:.0%} of the {before.utterances} rows before", None, least)]
    if before.text_fit is not None and before.text_fit > 0:
        told = gxe.ExpectColumnValuesToNotBeNull(column="text_fit")
        fit = between("text_fit", config.text_fit * before.text_fit, None)
        checks.append(Check("it can still be told whether texts fit durations", "text", told))
        checks.append(Check(f"texts fit durations as before ({before.text_fit:.2f})", "text", fit))
    return checks


def _missing(now: DatasetProfile, before: DatasetProfile, config: PreviousConfig) -> Iterator[Check]:
    nullable = {field.name for field in UTTERANCE_SCHEMA if field.nullable}
    for name in _shared(now.missing, before.missing):
        if name in nullable:
            least = max(0.0, 1 - before.missing[name] - config.missing_share)
            there = gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(column=name, min_value=least)
            yield Check("it is not missing more often than before", name, there)


def _quantiles(now: DatasetProfile, before: DatasetProfile, config: PreviousConfig) -> Iterator[Check]:
    for name, tolerance in config.quantiles.items():
        if name in before.quantiles and name in now.quantiles:
            ranges = [list(tolerance.around(value)) for value in before.quantiles[name]]
            near = ExpectColumnQuantileValuesToBeNear(
                column=name, quantile_ranges={"quantiles": list(QUANTILES), "value_ranges": ranges}
            )
            yield Check("its quantiles are like those before", OF_SOUND.get(name, name), near)


def _label_shares(now: DatasetProfile, before: DatasetProfile, config: PreviousConfig) -> Iterator[Check]:
    # Not the splits: whole speakers fall to them, and new ones may all be of one. How many rows each needs is asked.
    for column in _shared(now.labels.keys() - {"split"}, before.labels):
        total, labelled = sum(before.labels[column].values()), sum(now.labels[column].values())
        for label in sorted(before.labels[column] | now.labels[column]):
            share = before.labels[column].get(label, 0) / total
            count = gxe.ExpectTableRowCountToBeBetween(
                min_value=int(max(0.0, share - config.label_share) * labelled),
                max_value=int((share + config.label_share) * labelled) + 1,
                row_condition=Column(column) == label,
            )
            yield Check(f"{label} has about the share it had ({share:.0%})", column, count)


def _label_levels(now: DatasetProfile, before: DatasetProfile, config: PreviousConfig) -> Iterator[Check]:
    for label in _shared(now.levels, before.levels):
        if min(one.labels[LEVELLED].get(label, 0) for one in (now, before)) < config.label_rows:
            continue
        for name, tolerance in config.label_levels.items():
            if name in before.levels[label] and name in now.levels[label]:
                low, high = tolerance.around(before.levels[label][name])
                median = gxe.ExpectColumnMedianToBeBetween(
                    column=name, min_value=low, max_value=high, row_condition=Column(LEVELLED) == label
                )
                yield Check(f"the median {name} of {label} is like before", LEVELLED, median)


def _shared(one: Iterable[str], other: Iterable[str]) -> list[str]:
    return sorted(set(one) & set(other))
