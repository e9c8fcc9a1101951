"""An exported model, opened for scoring: the ONNX graph that is served, and the family's own `decode` behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from voxloop.errors import InputError
from voxloop.evaluation.model_folder import check_model_folder
from voxloop.evaluation.onnx_session import open_session
from voxloop.evaluation.report import ModelRecord, read_json_record
from voxloop.store.digests import digest_tree
from voxloop.tasks import Answer, Request, Task, get_task
from voxloop.tasks.batches import pad_rows

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]


class ExportedModel:
    """A model folder written by `export`, opened for scoring.

    Args:
        folder: Holds `model.onnx` and `model.json`.
        threads: Threads inside ONNX Runtime; 0 for one a core.
        task: Family it must be of; None takes any.

    Raises:
        InputError: The folder is not an exported model, is of another family, or the graph cannot be loaded.
    """

    def __init__(self, folder: Path, *, threads: int, task: str | None = None) -> None:
        check_model_folder(folder)
        self.record = read_json_record(ModelRecord, folder / "model.json")
        if task not in (None, self.record.task):
            raise InputError(
                f"{folder.name} is a model of {self.record.task!r}",
                rule=f"this evaluation is of {task!r}",
                remedy="name a model of this task, or pass --task",
            )
        self.digest = digest_tree(folder)
        self.task: Task = get_task(self.record.task)
        self.encoding = _read_encoding(folder, self.task, self.record)
        self.request: Request = self.task.request(self.encoding)
        self._session = open_session(folder / "model.onnx", threads)

    def answer(self, requests: Sequence[Arrays], *, batch: int, sort: bool = True) -> list[Answer | None]:
        """Return the answer to each request, None where a number the graph gave is not finite.

        Args:
            requests: Inputs by name, without the batch dimension, as the family's `make_request` gives them.
            batch: Requests in one call of the graph; shorter ones are filled up with zeros.
            sort: Put those that are near in length into one call; else those that stand beside each other.

        Raises:
            InputError: The graph refuses the request, or gives other shapes than its record says.
        """
        answers: list[Answer | None] = [None] * len(requests)
        lengths = [max(array.size for array in one.values()) for one in requests]
        order = np.argsort(lengths, kind="stable") if sort else np.arange(len(requests))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            found = self._ask([requests[index] for index in chosen])
            for index, answer in zip(chosen, self._decode(found), strict=True):
                answers[index] = answer
        return answers

    def ask(self, request: Arrays) -> dict[str, Array]:
        """Return the outputs for one request, both by name and without the batch dimension.

        Raises:
            InputError: As `answer`.
        """
        return {name: array[0] for name, array in self._ask([request]).items()}

    def decode(self, outputs: Arrays) -> Answer | None:
        """Return the answer of one row of outputs, without the batch dimension; None where one is not finite."""
        return next(self._decode({name: np.asarray(array)[None] for name, array in outputs.items()}))

    def _ask(self, requests: Sequence[Arrays]) -> dict[str, Array]:
        names = [spec.name for spec in self.request.inputs]
        padded = {name: pad_rows([one[name] for one in requests]) for name in names}
        wanted = [spec.name for spec in self.request.outputs]
        try:
            given = self._session.run(wanted, padded)
        except Exception as refused:  # noqa: BLE001 - onnxruntime's errors share no other class
            raise InputError(
                f"model {self.digest[:12]} refuses {', '.join(f'{n} {a.shape}' for n, a in padded.items())}: {refused}",
                rule=f"an exported model takes {', '.join(names)} and gives {', '.join(wanted)}",
                remedy="export it again",
            ) from None
        outputs = dict(zip(wanted, map(np.asarray, given), strict=True))
        self._check_shapes(outputs, len(requests))
        return outputs

    def _check_shapes(self, outputs: Mapping[str, Array], count: int) -> None:
        for spec in self.request.outputs:
            found = outputs[spec.name].shape
            wanted = (count, *spec.shape[1:])
            if len(found) != len(wanted) or any(
                isinstance(size, int) and size != got for size, got in zip(wanted, found, strict=True)
            ):
                raise InputError(
                    f"model {self.digest[:12]} answers {spec.name} with shape {found}",
                    rule=f"its record says {wanted}",
                    remedy="export it again",
                )

    def _decode(self, outputs: Mapping[str, Array]) -> Iterator[Answer | None]:
        finite = np.ones(len(next(iter(outputs.values()))), dtype=np.bool_)
        for values in outputs.values():
            finite &= np.isfinite(values).reshape(len(values), -1).all(axis=1)
        sound = {name: values[finite] for name, values in outputs.items()}
        answers = iter(self.task.decode(sound, self.encoding) if finite.any() else ())
        return (next(answers) if is_sound else None for is_sound in finite)


def _read_encoding(folder: Path, task: Task, record: ModelRecord) -> Any:
    try:
        encoding = task.Encoding.model_validate(record.encoding)
    except ValidationError as malformed:
        first = malformed.errors(include_url=False)[0]
        place = ".".join(str(part) for part in ("encoding", *first["loc"]))
        raise InputError(
            f"{folder.name}/model.json: {place}", rule=first["msg"], remedy="export the model again"
        ) from None
    if tuple(encoding.labels) != record.labels:
        raise InputError(
            f"{folder.name}/model.json names {len(record.labels)} labels, its encoding {len(encoding.labels)} others",
            rule="both are of one model",
            remedy="export the model again",
        )
    return encoding
