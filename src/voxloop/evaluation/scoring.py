"""Running exported models over utterances: the ONNX graph that is served, never the training checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pyarrow as pa
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.evaluation.answers import ANSWERS_SCHEMA
from voxloop.evaluation.model_folder import check_model_folder
from voxloop.evaluation.report import ModelRecord, read_json_record
from voxloop.store.digests import digest_tree

Floats = npt.NDArray[np.float32]
Row = Mapping[str, Any]
Decode = Callable[[Floats, Sequence[str]], list[str]]


class ScoringConfig(StrictModel):
    """How the models are run; `configs/evaluation/<task>.yaml`. It changes the speed, not the answers.

    Args:
        batch: Utterances in one request to the graph.
        pool: Utterances held in memory and sorted by length before they are cut into batches.
        threads: Threads inside ONNX Runtime; 0 for one a core.
    """

    batch: int = Field(ge=1)
    pool: int = Field(ge=1)
    threads: int = Field(ge=0)


class ExportedModel:
    """A model folder written by `export`, opened for scoring.

    Args:
        folder: Holds `model.onnx` and `model.json`.
        threads: Threads inside ONNX Runtime; 0 for one a core.

    Raises:
        InputError: The folder is not an exported model, or the graph cannot be loaded.
    """

    def __init__(self, folder: Path, *, threads: int) -> None:
        check_model_folder(folder)
        self.record = read_json_record(ModelRecord, folder / "model.json")
        self.digest = digest_tree(folder)
        self._session = _open_session(folder / "model.onnx", threads)

    def probabilities(self, waveforms: Sequence[Floats], *, batch: int) -> Floats:
        """Return the graph's answers, float32 [n, labels], in the order of `waveforms`.

        Args:
            waveforms: Mono, float32 [samples] each, in [-1, 1], at the model's rate.
            batch: Utterances in one request; those of one request are near in length, the rest is zeros.

        Raises:
            InputError: The graph refuses the request or does not answer with a row of labels an utterance.
        """
        answers = np.empty((len(waveforms), len(self.record.labels)), dtype=np.float32)
        by_length = np.argsort([len(waveform) for waveform in waveforms], kind="stable")
        for start in range(0, len(by_length), batch):
            chosen = by_length[start : start + batch]
            answers[chosen] = self._ask([waveforms[index] for index in chosen])
        return answers

    def _ask(self, waveforms: Sequence[Floats]) -> Floats:
        lengths = np.array([len(waveform) for waveform in waveforms], dtype=np.int64)
        padded = np.zeros((len(waveforms), int(lengths.max())), dtype=np.float32)
        for row, waveform in zip(padded, waveforms, strict=True):
            row[: len(waveform)] = waveform
        try:
            request = {"waveform": padded, "num_samples": lengths}
            (answer,) = self._session.run(["probabilities"], request)
        except Exception as refused:  # noqa: BLE001 - onnxruntime's errors share no other class
            raise InputError(
                f"model {self.digest[:12]} refuses a batch of {padded.shape}: {refused}",
                rule="an exported model takes waveform and num_samples and gives probabilities",
                remedy="export it again",
            ) from None
        expected = (len(waveforms), len(self.record.labels))
        if answer.shape != expected:
            raise InputError(
                f"model {self.digest[:12]} answers with shape {answer.shape}",
                rule=f"a row of probabilities an utterance is {expected}",
                remedy="export it again",
            )
        return np.asarray(answer, dtype=np.float32)


def score_rows(
    models: Mapping[str, ExportedModel],
    rows: Iterable[tuple[Row, Floats]],
    *,
    labels: Sequence[str],
    decode: Decode,
    config: ScoringConfig,
) -> pa.Table:
    """Ask every model about the same rows, in one pass over the audio.

    Args:
        models: By name, `challenger` and perhaps `champion`; each knows all of `labels`, in an order of its own.
        rows: Manifest row and its waveform, float32 [samples].
        labels: Order of the probabilities in the table.
        decode: The task's way from probabilities to labels.
        config: Batching.

    Returns:
        A table of `ANSWERS_SCHEMA`: one row a model and utterance.

    Raises:
        InputError: A row's sample rate or label is not one the models know.
    """
    tables = [ANSWERS_SCHEMA.empty_table()]
    for pool in _pools(rows, config.pool):
        for row, _ in pool:
            _check_row(row, models, labels)
        for name, model in models.items():
            order = [model.record.labels.index(label) for label in labels]
            probabilities = model.probabilities([wave for _, wave in pool], batch=config.batch)[:, order]
            predicted = _decode_finite(probabilities, labels, decode)
            tables.append(_tabulate(name, [row for row, _ in pool], probabilities, predicted))
    return pa.concat_tables(tables)


def _decode_finite(probabilities: Floats, labels: Sequence[str], decode: Decode) -> list[str | None]:
    finite = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    predicted: list[str | None] = [None] * len(probabilities)
    for index, label in zip(finite, decode(probabilities[finite], labels), strict=True):
        predicted[index] = label
    return predicted


def _tabulate(model: str, rows: Sequence[Row], probabilities: Floats, predicted: Sequence[str | None]) -> pa.Table:
    records = [
        {
            **{name: row[name] for name in ("utterance_id", "speaker_id", "gender", "source", "duration_s")},
            "model": model,
            "reference": row["emotion"],
            "predicted": label,
            "probabilities": values,
        }
        for row, label, values in zip(rows, predicted, probabilities.tolist(), strict=True)
    ]
    return pa.Table.from_pylist(records, schema=ANSWERS_SCHEMA)


def _check_row(row: Row, models: Mapping[str, ExportedModel], labels: Sequence[str]) -> None:
    if row["emotion"] not in labels:
        raise InputError(
            f"test utterance {row['utterance_id']} is labelled {row['emotion']!r}",
            rule=f"the model knows {', '.join(labels)}",
            remedy="train on a dataset with the same labels",
        )
    for name, model in models.items():
        if row["sample_rate"] != model.record.sample_rate:
            raise InputError(
                f"test utterance {row['utterance_id']} has {row['sample_rate']} Hz",
                rule=f"the {name} was made for {model.record.sample_rate} Hz",
                remedy="ingest the corpus again, or export a model for this rate",
            )


def _pools(rows: Iterable[tuple[Row, Floats]], size: int) -> Iterator[list[tuple[Row, Floats]]]:
    iterator = iter(rows)
    while pool := list(islice(iterator, size)):
        yield pool


def _open_session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # warnings about the graph are the exporter's to heed
    if not path.is_file():
        raise InputError(f"{path.parent.name}/{path.name} is missing", remedy="name a folder written by export")
    try:
        return ort.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as unreadable:  # noqa: BLE001 - onnxruntime's errors share no other class
        raise InputError(
            f"{path.parent.name}/{path.name} is not a model: {unreadable}", remedy="export it again"
        ) from None
