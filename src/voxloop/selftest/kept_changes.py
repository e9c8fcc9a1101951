"""Changed rows made once: every candidate of a bench is asked the same ones, and codecs take longer than models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.evaluation.conditions import Condition, change_row
from voxloop.speech.waveform import Waveform, to_int16
from voxloop.tasks import Row


@dataclass
class KeptChanges:
    """Stands in for `change_row`; sounds are kept as the 16-bit samples that models are asked, 32 kB a second."""

    _sounds: dict[tuple[Any, ...], npt.NDArray[np.int16]] = field(default_factory=dict)

    def __call__(
        self, row: Row, waveform: Waveform | None, name: str, condition: Condition, seed: int
    ) -> tuple[Row, Waveform | None]:
        """Return what `change_row` does, to the 16-bit step."""
        if waveform is None:
            return change_row(row, waveform, name, condition, seed)
        key = (row["utterance_id"], name, seed, condition.model_dump_json())
        if key not in self._sounds:
            _, changed = change_row(row, waveform, name, condition, seed)
            assert changed is not None  # noqa: S101 - a sound stays one
            self._sounds[key] = to_int16(changed)
        return row, self._sounds[key].astype(np.float32) / np.float32(32_768.0)
