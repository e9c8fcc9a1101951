"""Parts of an evaluation set, by who speaks and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.policy_sections import SliceColumn

UNKNOWN = "not known"
Bools = npt.NDArray[np.bool_]

AGE_BANDS = ((30, "under 30"), (50, "30 to 49"), (70, "50 to 69"))
SNRS_DB = ((10.0, "under 10 dB"), (20.0, "10 to 20 dB"), (30.0, "20 to 30 dB"))
DURATIONS_S = ((1.0, "under 1 s"), (3.0, "1 to 3 s"), (10.0, "3 to 10 s"))


def cut_slices(columns: Mapping[str, Sequence[Any]], by: Sequence[SliceColumn]) -> Iterator[tuple[str, Bools]]:
    """Give each slice by its name, such as `gender=female`, and which rows are in it, bool [n].

    Args:
        columns: `SLICE_COLUMNS` of each row, None where they are not known.
        by: What to cut by; the order of the slices is that of their names.
    """
    for column in by:
        source, name_of = _CUTS[column]
        names = np.array([name_of(value) for value in columns[source]], dtype=np.str_)
        for name in sorted(set(names.tolist())):
            yield f"{column}={name}", names == name


def list_bands(column: SliceColumn) -> list[str]:
    """Return the names of the bands of a number in their order, `UNKNOWN` last."""
    bands, above = _BANDS[column]
    return [*(name for _, name in bands), above, UNKNOWN]


def _name_text(value: str | None) -> str:
    return UNKNOWN if value is None else value


def _name_number(column: SliceColumn) -> Callable[[float | None], str]:
    bands, above = _BANDS[column]

    def name(value: float | None) -> str:
        if value is None:
            return UNKNOWN
        return next((told for limit, told in bands if value < limit), above)

    return name


_BANDS: dict[SliceColumn, tuple[tuple[tuple[float, str], ...], str]] = {
    "age_band": (AGE_BANDS, "70 and over"),
    "duration": (DURATIONS_S, "over 10 s"),
    "snr": (SNRS_DB, "over 30 dB"),
}
_CUTS: dict[SliceColumn, tuple[str, Callable[[Any], str]]] = {
    "gender": ("gender", _name_text),
    "age_band": ("age", _name_number("age_band")),
    "language": ("language", _name_text),
    "source": ("source", _name_text),
    "duration": ("duration_s", _name_number("duration")),
    "snr": ("snr_db", _name_number("snr")),
    "device": ("device", _name_text),
}
