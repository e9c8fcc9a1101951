"""What each model said under changed conditions: `robustness.parquet`, beside the answers to the rows as they are.

A row here has no reference of its own: it is that of the same utterance in `answers.parquet`. Requests that are no test
rows, such as silence, have a name in place of an utterance and no speaker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.errors import InputError
from voxloop.evaluation.answers import Answers, is_finite, parse_answer, read_table
from voxloop.store.digests import canonical_json
from voxloop.tasks import Answer

CHANGED_SCHEMA = pa.schema(
    [
        pa.field("asked", pa.string(), nullable=False),  # name of a condition, or of a test of made-up requests
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("speaker_id", pa.string()),
        pa.field("model", pa.string(), nullable=False),
        pa.field("answer", pa.string()),  # null where the model's numbers are not finite
    ]
)
_ORDER = [(name, "ascending") for name in ("asked", "utterance_id", "model")]


def describe_changed(
    asked: str, utterance_id: str, speaker_id: str | None, model: str, answer: Answer | None
) -> dict[str, Any]:
    """Return the row of `CHANGED_SCHEMA` for what a model said."""
    return {
        "asked": asked,
        "utterance_id": utterance_id,
        "speaker_id": speaker_id,
        "model": model,
        "answer": canonical_json(answer) if answer is not None and is_finite(answer) else None,
    }


def write_changed(table: pa.Table, path: Path) -> None:
    """Write answers ordered by condition, utterance and model, so that equal answers are equal bytes."""
    pq.write_table(table.cast(CHANGED_SCHEMA).sort_by(_ORDER), path, compression="zstd")


def read_changed(path: Path) -> pa.Table:
    """Read answers as they were written; raises `InputError` as `read_answers`."""
    return read_table(path, CHANGED_SCHEMA)


def answers_under(table: pa.Table, asked: str, model: str, clean: Answers) -> Answers:
    """Return the answers of a model under a condition, beside the references of the same utterances as they are.

    Args:
        table: Of `CHANGED_SCHEMA`.
        asked: Name of the condition.
        model: Whose answers.
        clean: The same model's answers to exactly those utterances, ordered by utterance.

    Raises:
        InputError: An utterance is missing, answered twice, another one's or another speaker's; or an answer is none.
    """
    rows = _rows_of(table, asked, model)
    names, speakers = (rows[name].to_pylist() for name in ("utterance_id", "speaker_id"))
    if names != clean.utterance_ids.tolist() or speakers != clean.speaker_ids.tolist():
        raise InputError(
            f"under {asked} the {model} answered {len(names)} rows, not the {len(clean)} that had to be asked",
            rule="each utterance of the subset is answered once under each condition",
            remedy="evaluate again",
        )
    return Answers(clean.utterance_ids, clean.speaker_ids, clean.references, _parse(rows), clean.columns)


def made_answers(table: pa.Table, asked: str, model: str, count: int) -> tuple[Answer | None, ...]:
    """Return the answers of a model to `count` made-up requests, in their order; raises as `answers_under`."""
    rows = _rows_of(table, asked, model)
    names = rows["utterance_id"].to_pylist()
    if names != [name_request(place) for place in range(count)] or rows["speaker_id"].null_count < count:
        raise InputError(
            f"{asked} has {len(rows)} answers of the {model}",
            rule=f"each of its {count} requests is answered once",
            remedy="evaluate again",
        )
    return _parse(rows)


def name_request(place: int) -> str:
    """Return what stands for an utterance's id of a made-up request."""
    return f"request {place:03d}"


def _rows_of(table: pa.Table, asked: str, model: str) -> pa.Table:
    return table.filter(pc.and_(pc.equal(table["asked"], asked), pc.equal(table["model"], model))).sort_by(_ORDER)


def _parse(rows: pa.Table) -> tuple[Answer | None, ...]:
    found = [None if text is None else parse_answer(text) for text in rows["answer"].to_pylist()]
    return tuple(one if one is not None and is_finite(one) else None for one in found)
