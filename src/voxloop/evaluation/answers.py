"""What each model said to each test utterance: the evidence that every measure is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.errors import InputError

CHALLENGER = "challenger"
CHAMPION = "champion"

ANSWERS_SCHEMA = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("speaker_id", pa.string(), nullable=False),
        pa.field("gender", pa.string()),
        pa.field("source", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("model", pa.string(), nullable=False),
        pa.field("reference", pa.string(), nullable=False),
        pa.field("predicted", pa.string()),  # null where the probabilities are not finite: there is no answer
        pa.field("probabilities", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Answers:
    """The answers of one model, ordered by utterance: arrays of length n."""

    utterance_ids: npt.NDArray[np.str_]
    speaker_ids: npt.NDArray[np.str_]
    references: npt.NDArray[np.str_]
    predictions: npt.NDArray[np.str_]
    """Label given; the empty string where there is none."""
    finite: npt.NDArray[np.bool_]
    """Whether there is an answer and every probability behind it is a number."""

    def __len__(self) -> int:
        return len(self.utterance_ids)

    @property
    def correct(self) -> npt.NDArray[np.float64]:
        """1 where the model is right, 0 where it is wrong, float64 [n]."""
        return np.asarray(self.references == self.predictions, dtype=np.float64)

    @property
    def speakers(self) -> npt.NDArray[np.int64]:
        """Code of each utterance's speaker, int64 [n]."""
        return np.unique(self.speaker_ids, return_inverse=True)[1].astype(np.int64)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Code of each utterance's reference label, int64 [n]; labels nobody said have no code."""
        return np.unique(self.references, return_inverse=True)[1].astype(np.int64)

    def speaker_count(self) -> int:
        """Return how many speakers there are."""
        return len(np.unique(self.speaker_ids))

    def per_label(self, labels: Sequence[str]) -> dict[str, int]:
        """Return the number of utterances of each of `labels`."""
        return {label: int(np.sum(self.references == label)) for label in labels}


def write_answers(table: pa.Table, path: Path) -> None:
    """Write answers in the order of utterance and model, so that equal answers are equal bytes."""
    ordered = table.cast(ANSWERS_SCHEMA).sort_by([("utterance_id", "ascending"), ("model", "ascending")])
    pq.write_table(ordered, path, compression="zstd")


def read_answers(path: Path) -> pa.Table:
    """Read answers as they were written.

    Raises:
        InputError: The file is missing, no Parquet, of another schema, or holds a null where none may be.
    """
    remedy = "evaluate again"
    if not path.is_file():
        raise InputError(f"{path.name} is missing", rule="an evaluation keeps its answers", remedy=remedy)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as unreadable:
        raise InputError(f"{path.name} cannot be read: {unreadable}", rule="it is Parquet", remedy=remedy) from None
    if table.schema.remove_metadata() != ANSWERS_SCHEMA:
        odd = sorted(set(table.schema.names) ^ set(ANSWERS_SCHEMA.names)) or ["a type"]
        raise InputError(f"{path.name} differs from the schema in {', '.join(odd)}", remedy=remedy)
    for field in ANSWERS_SCHEMA:
        if not field.nullable and table[field.name].null_count:
            raise InputError(f"{path.name} holds a null in {field.name}", remedy=remedy)
    return table


def answers_of(table: pa.Table, model: str) -> Answers:
    """Return the answers of one model out of a table of `ANSWERS_SCHEMA`."""
    rows = table.filter(pc.equal(table["model"], model)).sort_by("utterance_id")
    finite = [_is_finite(probabilities) for probabilities in rows["probabilities"].to_pylist()]
    answered = pc.is_valid(rows["predicted"]).to_numpy(zero_copy_only=False)
    return Answers(
        utterance_ids=_strings(rows["utterance_id"]),
        speaker_ids=_strings(rows["speaker_id"]),
        references=_strings(rows["reference"]),
        predictions=_strings(rows["predicted"].fill_null("")),
        finite=np.array(finite, dtype=np.bool_) & answered.astype(np.bool_),
    )


def _strings(column: Any) -> npt.NDArray[np.str_]:
    return np.array(column.to_pylist(), dtype=np.str_)


def _is_finite(probabilities: list[float] | None) -> bool:
    return bool(probabilities) and bool(np.isfinite(np.array(probabilities, dtype=np.float64)).all())
