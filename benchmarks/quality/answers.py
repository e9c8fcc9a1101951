"""What a model says of a fold's test rows, and what is true of them, as two files of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from voxloop.data.known_features import iter_rows
from voxloop.data.schema import TRAITS
from voxloop.speech.waveform import to_int16
from voxloop.store.atomic import write_file
from voxloop.tasks import Answer, Task
from voxloop.tasks.batches import pad_rows

ANSWERS_NAME = "answers.jsonl"
REFERENCES_NAME = "references.jsonl"

Arrays = dict[str, npt.NDArray[Any]]
Row = Mapping[str, Any]
Ask = Callable[[Arrays], Arrays]
"""A request with its batch dimension -> the outputs by name."""


def open_graph(path: Path, threads: int) -> Ask:
    """Return what asks an exported graph, by ONNX Runtime."""
    import onnxruntime as ort  # noqa: PLC0415 - heavy

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda request: dict(zip(names, session.run(names, request), strict=True))


def answer_test(
    dataset: Path, task: Task, encoding: Any, ask: Ask, features: Path | None
) -> Iterator[tuple[Row, Answer]]:
    """Give each test row with the answer to it, asked one by one through the task's own `decode`."""
    for row, waveform in iter_rows(dataset, "test", audio=task.AUDIO, features=features):
        # What is asked about a row does not know its labels.
        unlabelled = {**row, **dict.fromkeys((*TRAITS, "emotion"))}
        sound = None if waveform is None else to_int16(waveform)
        request = {name: pad_rows([array]) for name, array in task.make_request(unlabelled, sound, encoding).items()}
        yield row, task.decode(ask(request), encoding)[0]


def reference_of(row: Row, task: str) -> Answer | None:
    """Return what is true of a row, in the words of the dataset; None where it has no label."""
    if task == "personality":
        traits = {name: row[name] for name in TRAITS}
        return None if all(value is None for value in traits.values()) else {"traits": traits}
    value = row["text" if task == "asr" else "emotion"]
    return None if value is None else {"text" if task == "asr" else "emotion": value}


def write_answers(folder: Path, task: str, answered: Iterable[tuple[Row, Answer]]) -> int:
    """Write the answers and the references of labelled rows; return how many there are."""
    answers, references = [], []
    for row, answer in answered:
        reference = reference_of(row, task)
        if reference is not None:
            who = {"utterance_id": row["utterance_id"], "speaker_id": row["speaker_id"]}
            answers.append({**who, "answer": answer})
            references.append({**who, "reference": reference})
    for name, rows in ((ANSWERS_NAME, answers), (REFERENCES_NAME, references)):
        write_file(folder / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return len(answers)
