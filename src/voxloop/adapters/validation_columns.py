"""Columns that are derived from the rows, because a rule is about several of them or about what Parquet alone tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from voxloop.adapters import validation_text
from voxloop.adapters.validation_suite import RecordedRange, SuiteConfig
from voxloop.data.profile import SPEAKING_RATE, read_codes, read_numbers, read_speaking_rate

ROW = "row"
AUDIO_FAULT, TEXT_FAULT, TIME_FAULT = "audio_fault", "text_fault", "time_fault"
DURATION_ERROR = "duration_error_s"
AGE_DIFFERENCE = "age_off_speaker_years"
LABEL_SHARE = "label_share"
HEX_DIGEST = "sha256_is_hex"
PLAIN_ID = "id_is_one_word"
SOUND = "none"
_LOOKED_AT = 10_000
"""Rows, evenly spread, that tell at once of most corpora that their ids hold no such thing."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_GUARD = timedelta(days=60)
"""Seconds of our days read as milliseconds, or milliseconds as microseconds, end up in the first weeks of 1970."""


def finite_column(name: str) -> str:
    """Return the name of the column that tells whether `name` is a finite number."""
    return f"{name}_is_finite"


def agreement_column(name: str) -> str:
    """Return the name of the column that tells which share of its group agrees with the row about `name`."""
    return f"{name}_agreement"


def named_column(name: str) -> str:
    """Return the name of the column that tells whether the utterance's id holds the value of `name`."""
    return f"id_holds_{name}"


def derive_columns(
    table: pa.Table, config: SuiteConfig, audio_fault: pa.Array | None, *, normalised: bool
) -> pd.DataFrame:
    """Return the stored columns and those derived from them as a frame; what cannot be derived is left out.

    Args:
        table: Columns of `MANIFEST_COLUMNS` with their promised types.
        config: The suite's numbers.
        audio_fault: What is wrong with the audio of each row; None when it cannot be read.
        normalised: Whether the texts are said to be what today's `normalise_text` makes of them.
    """
    derived = {ROW: pa.array(np.arange(table.num_rows))}
    if audio_fault is not None:
        derived[AUDIO_FAULT] = audio_fault
    derived |= dict((*_about_numbers(table), *_about_words(table, config, normalised), *_about_groups(table, config)))
    for name in table.column_names:
        if table[name].type == pa.int32():  # Great Expectations compares these value by value
            table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.int64()))
    whole = pa.table({**{name: table[name] for name in table.column_names}, **derived})
    frame: pd.DataFrame = whole.to_pandas()
    return frame


def _about_numbers(table: pa.Table) -> Iterator[tuple[str, pa.Array]]:
    for name in table.column_names:
        if table[name].type == pa.float64():
            # In pandas a NaN is a missing value: only here the two can be told apart.
            yield finite_column(name), pc.is_finite(table[name]).fill_null(pa.scalar(value=True))
    if {"num_samples", "sample_rate", "duration_s"} <= set(table.column_names):
        samples, rate, seconds = (read_numbers(table[name]) for name in ("num_samples", "sample_rate", "duration_s"))
        with np.errstate(divide="ignore", invalid="ignore"):
            yield DURATION_ERROR, pa.array(np.abs(samples / rate - seconds))
    if {"text", "duration_s"} <= set(table.column_names):
        yield SPEAKING_RATE, pa.array(read_speaking_rate(table))


def _about_words(table: pa.Table, config: SuiteConfig, normalised: bool) -> Iterator[tuple[str, pa.Array]]:
    names = set(table.column_names)
    if "text" in names:
        language = table["language"] if "language" in names else None
        yield TEXT_FAULT, validation_text.find_faults(table["text"], language, config.text, normalised=normalised)
    if "utterance_id" in names:
        plain = pc.match_substring_regex(table["utterance_id"], r"\A[^\pC\pZ]+\z")
        yield PLAIN_ID, plain.fill_null(pa.scalar(value=True))
    if "sha256" in names:
        digest = pc.match_substring_regex(table["sha256"], r"\A[0-9a-f]{64}\z")
        yield HEX_DIGEST, digest.fill_null(pa.scalar(value=True))
    if "recorded_at" in names:
        yield TIME_FAULT, _find_time_faults(table["recorded_at"], config.recorded_at)
    if "utterance_id" in names:
        ids = table["utterance_id"].to_pylist()
        for name in config.named:
            if name in names and (held := _hold(ids, table[name])) is not None:
                yield named_column(name), pa.array(held)


def _about_groups(table: pa.Table, config: SuiteConfig) -> Iterator[tuple[str, pa.Array]]:
    names = set(table.column_names)
    for name, group in config.constant.items():
        if {name, group} <= names:
            yield (
                agreement_column(name),
                _nullable(measure_agreement(read_codes(table[name]), read_codes(table[group]))),
            )
    if {"age", "speaker_id"} <= names:
        yield (
            AGE_DIFFERENCE,
            _nullable(_measure_age_difference(read_numbers(table["age"]), read_codes(table["speaker_id"]))),
        )
    if config.learnt in names:
        yield LABEL_SHARE, _nullable(_measure_share(read_codes(table[config.learnt])))


def measure_agreement(value: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each row the share of its group's rows that have the same value, float64 [n]; NaN without either.

    Where a group must agree, what most of its rows say counts as right: a share up to one half is out of line.
    """
    share = np.full(len(value), np.nan)
    known = (value >= 0) & (group >= 0)
    if known.any():
        pair = group[known] * (value.max() + 1) + value[known]
        _, place, counts = np.unique(pair, return_inverse=True, return_counts=True)
        share[known] = counts[place] / np.bincount(group[known])[group[known]]
    return share


def _measure_age_difference(age: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return by how many years each row is off the median age of its speaker, float64 [n]; NaN without either."""
    off = np.full(len(age), np.nan)
    known = np.flatnonzero(np.isfinite(age) & (group >= 0))
    order = known[np.lexsort((age[known], group[known]))]
    _, starts, counts = np.unique(group[order], return_index=True, return_counts=True)
    median = np.repeat(age[order][starts + (counts - 1) // 2] if len(order) else age[:0], counts)
    off[order] = np.abs(age[order] - median)
    return off


def _measure_share(label: NDArray[np.int64]) -> NDArray[np.float64]:
    share = np.full(len(label), np.nan)
    known = label >= 0
    if known.any():
        share[known] = (np.bincount(label[known]) / known.sum())[label[known]]
    return share


def _find_time_faults(moments: pa.ChunkedArray, config: RecordedRange) -> pa.Array:
    kind = moments.type
    faults = [
        (pc.less(moments, pa.scalar(config.earliest, kind)), f"before {config.earliest.year}"),
        (_between(moments, _EPOCH, _EPOCH + _EPOCH_GUARD), "at the start of 1970, where clocks count from"),
    ]
    if config.at is not None:
        faults.append((pc.greater(moments, pa.scalar(config.at, kind)), f"after {config.at.isoformat()}"))
    code = np.zeros(len(moments), dtype=np.int32)
    for number, (wrong, _) in enumerate(faults, start=1):
        code[np.asarray(wrong.fill_null(pa.scalar(value=False)), dtype=np.bool_)] = number
    return pa.DictionaryArray.from_arrays(pa.array(code), pa.array([SOUND, *(name for _, name in faults)]))


def _between(moments: pa.ChunkedArray, start: datetime, end: datetime) -> pa.ChunkedArray:
    from_start = pc.greater_equal(moments, pa.scalar(start, moments.type))
    return pc.and_(from_start, pc.less(moments, pa.scalar(end, moments.type)))


def _hold(ids: Sequence[str | None], values: pa.ChunkedArray) -> NDArray[np.bool_] | None:
    """Return whether each row's id holds the row's value; None unless most of them do.

    Many corpora put the speaker or the label into the id. Where most ids do, the others are rows that were moved.
    """
    spelled = values.combine_chunks().dictionary_decode() if pa.types.is_dictionary(values.type) else values
    named = np.asarray(spelled.to_numpy(zero_copy_only=False) if isinstance(spelled, pa.Array) else spelled.to_numpy())
    some = slice(None, None, max(1, len(ids) // _LOOKED_AT))
    if not _most(_are_held(ids[some], named[some]), named[some]):
        return None
    held = _are_held(ids, named)
    return held if _most(held, named) else None


def _are_held(ids: Sequence[str | None], values: NDArray[np.object_]) -> NDArray[np.bool_]:
    pairs = zip(ids, values, strict=True)
    return np.array([one is None or value is None or value in one for one, value in pairs], dtype=np.bool_)


def _most(held: NDArray[np.bool_], values: NDArray[np.object_]) -> bool:
    missing = int(pd.isna(values).sum())
    told = len(values) - missing
    return told > 0 and held.sum() - missing > told / 2


def _nullable(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, from_pandas=True)
