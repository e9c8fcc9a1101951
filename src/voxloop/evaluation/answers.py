"""What each model said to each test utterance: the evidence that every measure is computed from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.errors import InputError
from voxloop.store.digests import canonical_json
from voxloop.tasks import Answer, Row

CHALLENGER = "challenger"
CHAMPION = "champion"

SLICE_COLUMNS = ("gender", "age", "language", "source", "duration_s", "snr_db", "device")
"""What of a row is kept beside its answers, to cut them by."""

ANSWERS_SCHEMA = pa.schema(
    [
        pa.field("evaluation_set", pa.string(), nullable=False),
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("speaker_id", pa.string(), nullable=False),
        pa.field("gender", pa.string()),
        pa.field("age", pa.int32()),
        pa.field("language", pa.string()),
        pa.field("source", pa.string()),
        pa.field("duration_s", pa.float64()),
        pa.field("snr_db", pa.float64()),  # estimated once from the sound; null where there is none
        pa.field("device", pa.string()),
        pa.field("model", pa.string(), nullable=False),
        # JSON objects: what an answer is, differs by family, and its numbers come back to the last bit.
        pa.field("reference", pa.string(), nullable=False),
        pa.field("answer", pa.string()),  # null where the model's numbers are not finite: there is no answer
    ]
)

ADDED_COLUMNS = ("device",)
"""Columns that answers kept before them lack: there they read as null, so that what was judged can be judged again."""


@dataclass(frozen=True)
class Answers:
    """The answers of one model to one evaluation set, ordered by utterance; everything of length n."""

    utterance_ids: npt.NDArray[np.str_]
    speaker_ids: npt.NDArray[np.str_]
    references: tuple[Answer, ...]
    """What a perfect model would have said."""
    answers: tuple[Answer | None, ...]
    """None where there is none, or a number in it is not finite."""
    columns: Mapping[str, Sequence[Any]]
    """`SLICE_COLUMNS`, None where they are not known."""

    def __len__(self) -> int:
        return len(self.utterance_ids)

    @property
    def speakers(self) -> npt.NDArray[np.int64]:
        """Code of each utterance's speaker, int64 [n]."""
        return np.unique(self.speaker_ids, return_inverse=True)[1].astype(np.int64)

    @property
    def unanswered(self) -> int:
        """How many utterances have no answer."""
        return sum(answer is None for answer in self.answers)

    def take(self, rows: npt.NDArray[np.bool_]) -> Answers:
        """Return those of the rows chosen, bool [n]."""
        chosen = np.flatnonzero(rows).tolist()
        return Answers(
            self.utterance_ids[rows],
            self.speaker_ids[rows],
            tuple(self.references[index] for index in chosen),
            tuple(self.answers[index] for index in chosen),
            {name: [values[index] for index in chosen] for name, values in self.columns.items()},
        )

    def speaker_count(self) -> int:
        """Return how many speakers there are."""
        return len(np.unique(self.speaker_ids))


def describe_row(evaluation_set: str, model: str, row: Row, reference: Answer, answer: Answer | None) -> dict[str, Any]:
    """Return the row of `ANSWERS_SCHEMA` for a manifest row and what a model said of it."""
    return {
        "evaluation_set": evaluation_set,
        **{name: row[name] for name in ("utterance_id", "speaker_id")},
        **{name: row.get(name) for name in SLICE_COLUMNS},
        "model": model,
        "reference": canonical_json(reference),
        "answer": canonical_json(answer) if answer is not None and is_finite(answer) else None,
    }


def write_answers(table: pa.Table, path: Path) -> None:
    """Write answers ordered by set, utterance and model, so that equal answers are equal bytes."""
    order = [(name, "ascending") for name in ("evaluation_set", "utterance_id", "model")]
    pq.write_table(table.cast(ANSWERS_SCHEMA).sort_by(order), path, compression="zstd")


def read_answers(path: Path) -> pa.Table:
    """Read answers as they were written; those of `ADDED_COLUMNS` that are not there are null.

    Raises:
        InputError: The file is missing, no Parquet, of another schema, or holds a null where none may be.
    """
    return read_table(path, ANSWERS_SCHEMA, ADDED_COLUMNS)


def read_table(path: Path, schema: pa.Schema, added: Sequence[str] = ()) -> pa.Table:
    """Read a table of answers of a schema, of which it may lack what was added; raises as `read_answers`."""
    remedy = "evaluate again"
    if not path.is_file():
        raise InputError(f"{path.name} is missing", rule="an evaluation keeps its answers", remedy=remedy)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as unreadable:
        raise InputError(f"{path.name} cannot be read: {unreadable}", rule="it is Parquet", remedy=remedy) from None
    table = _fill(table, schema, [name for name in added if name not in table.column_names])
    if table.schema.remove_metadata() != schema:
        odd = sorted(set(table.schema.names) ^ set(schema.names)) or ["a type"]
        raise InputError(f"{path.name} differs from the schema in {', '.join(odd)}", remedy=remedy)
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise InputError(f"{path.name} holds a null in {field.name}", remedy=remedy)
    return table


def _fill(table: pa.Table, schema: pa.Schema, names: Sequence[str]) -> pa.Table:
    """Return the table with columns of nulls where a schema has these names."""
    for name in names:
        place = min(schema.get_field_index(name), table.num_columns)
        table = table.add_column(place, schema.field(name), pa.nulls(table.num_rows, schema.field(name).type))
    return table


def answers_of(table: pa.Table, evaluation_set: str, model: str) -> Answers:
    """Return the answers of one model to one set out of a table of `ANSWERS_SCHEMA`.

    Raises:
        InputError: A reference or an answer is no JSON object.
    """
    asked = pc.and_(pc.equal(table["evaluation_set"], evaluation_set), pc.equal(table["model"], model))
    rows = table.filter(asked).sort_by("utterance_id")
    answers = [None if text is None else parse_answer(text) for text in rows["answer"].to_pylist()]
    return Answers(
        utterance_ids=np.array(rows["utterance_id"].to_pylist(), dtype=np.str_),
        speaker_ids=np.array(rows["speaker_id"].to_pylist(), dtype=np.str_),
        references=tuple(parse_answer(text) for text in rows["reference"].to_pylist()),
        answers=tuple(answer if answer is not None and is_finite(answer) else None for answer in answers),
        columns={name: rows[name].to_pylist() for name in SLICE_COLUMNS},
    )


def is_finite(value: object) -> bool:
    """Return whether every number in a JSON value is finite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, Mapping):
        return all(is_finite(one) for one in value.values())
    return not isinstance(value, Sequence) or isinstance(value, str) or all(is_finite(one) for one in value)


def parse_answer(text: str) -> Answer:
    """Return an answer or a reference as it was kept; raises `InputError` where it is no JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"an answer reads {text[:60]!r}", rule="it is a JSON object", remedy="evaluate again")
    return found
