"""What a dataset looks like, in a few hundred numbers: what the next dataset is compared with.

A profile holds no row and no name. It is written beside the report of a validation and kept with the model that was
trained on the data.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from voxloop.config import StrictModel
from voxloop.data.schema import MANIFEST_COLUMNS
from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file

PROFILE_NAME = "profile.json"
PROFILE_VERSION = 1
SPEAKING_RATE = "characters_per_second"
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LABEL_COLUMNS = ("emotion", "gender", "language", "split")
LEVELLED = "emotion"
"""The labels whose rows have levels of their own: anger is louder than sadness wherever both are on the right rows."""
_MEASURED = ("duration_s", "loudness_dbfs", SPEAKING_RATE)
_FEWEST_ROWS = 30
"""Below it a correlation means nothing: its standard error is 0.18."""

Numbers = NDArray[np.float64]


class DatasetProfile(StrictModel):
    """The content of `profile.json`.

    Args:
        version: Of this format.
        utterances: Rows.
        speakers: Different speakers.
        hours: Of sound.
        missing: Share of nulls, by column.
        quantiles: By column, in the order of `QUANTILES`: durations in s, loudness in dB of full scale, characters a
            second.
        labels: Rows by label, for each column of labels that is not empty.
        levels: Medians among the rows of one emotion, by emotion and column.
        alphabet: Every character of the texts, in order.
        text_fit: How well texts fit durations; None where that cannot be told. See `measure_text_fit`.
    """

    version: int
    utterances: int
    speakers: int
    hours: float
    missing: dict[str, float]
    quantiles: dict[str, tuple[float, ...]]
    labels: dict[str, dict[str, int]]
    levels: dict[str, dict[str, float]]
    alphabet: str
    text_fit: float | None


def profile_table(table: pa.Table) -> DatasetProfile:
    """Return the profile of a table of utterances; columns that are not there are left out.

    Args:
        table: Columns of `MANIFEST_COLUMNS`, strings plain or by dictionary.
    """
    there = {name: table[name] for name in MANIFEST_COLUMNS if name in table.column_names}
    measured = {name: read_numbers(there[name]) for name in _MEASURED if name in there}
    measured[SPEAKING_RATE] = read_speaking_rate(table)
    finite = {name: values[np.isfinite(values)] for name, values in measured.items()}
    labels = {name: _count_labels(there[name]) for name in LABEL_COLUMNS if name in there}
    rows = max(1, table.num_rows)
    return DatasetProfile(
        version=PROFILE_VERSION,
        utterances=table.num_rows,
        speakers=len(pc.unique(there["speaker_id"]).drop_null()) if "speaker_id" in there else 0,
        hours=round(float(finite.get("duration_s", np.zeros(0)).sum()) / 3600, 6),
        missing={name: column.null_count / rows for name, column in there.items()},
        quantiles={name: _quantiles(values) for name, values in finite.items() if len(values)},
        labels={name: counts for name, counts in labels.items() if counts},
        levels=_measure_levels(there, measured),
        alphabet=_collect_alphabet(there["text"]) if "text" in there else "",
        text_fit=measure_text_fit(table),
    )


def write_profile(profile: DatasetProfile, folder: Path) -> Path:
    """Write `profile.json` into a folder; the same profile gives the same bytes."""
    text = json.dumps(profile.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return write_file(folder / PROFILE_NAME, text + "\n")


def read_profile(folder: Path) -> DatasetProfile:
    """Read the `profile.json` of a folder.

    Raises:
        IntegrityError: There is none, or it is not one this version writes.
    """
    path = folder / PROFILE_NAME
    try:
        profile = DatasetProfile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as unreadable:
        problem = unreadable.errors()[0]["msg"] if isinstance(unreadable, ValidationError) else unreadable.strerror
        raise IntegrityError(f"{path} is no profile: {problem}", remedy="validate the accepted data again") from None
    if profile.version != PROFILE_VERSION:
        raise IntegrityError(
            f"{path} has version {profile.version}",
            rule=f"this voxloop reads version {PROFILE_VERSION}",
            remedy="validate the accepted data again",
        )
    return profile


def read_numbers(column: pa.ChunkedArray) -> Numbers:
    """Return a column of numbers as float64 [n], NaN for null."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def read_codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return a column as int64 [n]: equal numbers for equal values, from 0 on without gaps, -1 for null."""
    encoded = (column if pa.types.is_dictionary(column.type) else column.dictionary_encode()).unify_dictionaries()
    whole = encoded.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # a column without rows has no chunk
        return np.zeros(0, dtype=np.int64)
    return np.asarray(whole.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)


def read_speaking_rate(table: pa.Table) -> Numbers:
    """Return characters of text a second of sound, float64 [n]; NaN where one of the two is missing."""
    if not {"text", "duration_s"} <= set(table.column_names):
        return np.full(table.num_rows, np.nan)
    lengths, seconds = _read_lengths(table["text"]), read_numbers(table["duration_s"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(lengths / seconds, dtype=np.float64)


def measure_text_fit(table: pa.Table, *, lag: int = 0, fewest_rows: int = _FEWEST_ROWS) -> float | None:
    """Return how well texts fit durations: the correlation of their logarithms within speaker and emotion.

    Who speaks and how fast anger is are taken out first (means by speaker, then by emotion), so that what is left
    is: a longer text takes longer.

    Args:
        table: With the columns text, duration_s and speaker_id; emotion where it is known.
        lag: Take the text from so many rows before; a better fit there says that texts have slipped.
        fewest_rows: Fewer rows with both say nothing.

    Returns:
        A correlation in [-1, 1]; None when it cannot be told, or when texts or durations do not vary.
    """
    if not {"text", "duration_s", "speaker_id"} <= set(table.column_names):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.log(np.roll(_read_lengths(table["text"]), lag))
        seconds = np.log(read_numbers(table["duration_s"]))
    both = np.isfinite(length) & np.isfinite(seconds)
    if both.sum() < fewest_rows:
        return None
    groups = [read_codes(table[name])[both] + 1 for name in ("speaker_id", LEVELLED) if name in table.column_names]
    x, y = (_centre(values[both], groups) for values in (length, seconds))
    spread = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / spread if spread > 1e-9 * both.sum() else None


def _read_lengths(text: pa.ChunkedArray) -> Numbers:
    plain = text.cast(pa.string()) if pa.types.is_dictionary(text.type) else text
    return read_numbers(pc.utf8_length(plain))


def _centre(values: Numbers, groups: list[NDArray[np.int64]]) -> Numbers:
    for group in groups:
        counts = np.bincount(group)
        values = values - (np.bincount(group, values) / np.maximum(counts, 1))[group]
    return values


def _quantiles(values: Numbers) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in np.quantile(values, QUANTILES))


def _count_labels(column: pa.ChunkedArray) -> dict[str, int]:
    counted: list[dict[str, Any]] = pc.value_counts(column).to_pylist()
    named = {str(one["values"]): int(one["counts"]) for one in counted if one["values"] is not None}
    return dict(sorted(named.items()))


def _measure_levels(columns: dict[str, pa.ChunkedArray], measured: dict[str, Numbers]) -> dict[str, dict[str, float]]:
    if LEVELLED not in columns:
        return {}
    rows = {label: _rows_of(columns[LEVELLED], label) for label in _count_labels(columns[LEVELLED])}
    return {
        label: {
            name: round(float(np.median(chosen)), 6)
            for name, values in measured.items()
            if len(chosen := values[of_label][np.isfinite(values[of_label])])
        }
        for label, of_label in rows.items()
    }


def _rows_of(column: pa.ChunkedArray, label: str) -> NDArray[np.bool_]:
    return np.asarray(pc.equal(column, label).fill_null(pa.scalar(value=False)).to_numpy(), dtype=np.bool_)


def _collect_alphabet(text: pa.ChunkedArray) -> str:
    plain = (text.cast(pa.string()) if pa.types.is_dictionary(text.type) else text).drop_null()
    ascii_only = pc.string_is_ascii(plain)
    codes: set[int] = set()
    for chunk in plain.filter(ascii_only).chunks:
        if not pc.sum(pc.binary_length(chunk)).as_py():
            continue
        # Bytes are characters here: counting them is 100 times as fast as walking over the strings.
        start, end = chunk.offset, chunk.offset + len(chunk)
        offsets = np.frombuffer(chunk.buffers()[1], dtype=np.int32)
        content = np.frombuffer(chunk.buffers()[2], dtype=np.uint8)[offsets[start] : offsets[end]]
        codes.update(np.flatnonzero(np.bincount(content)).tolist())
    letters = {chr(code) for code in codes}.union(*plain.filter(pc.invert(ascii_only)).to_pylist())
    return "".join(sorted(letters))
