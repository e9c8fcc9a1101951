"""Running exported models over utterances, in one pass over the sound."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from voxloop.config import StrictModel
from voxloop.errors import InputError
from voxloop.evaluation.answers import ANSWERS_SCHEMA, CHALLENGER, describe_row
from voxloop.evaluation.behaviour import BehaviourTest, conditions_of
from voxloop.evaluation.conditions import ChangesConfig
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.golden import GoldenConfig
from voxloop.evaluation.subset import Subset
from voxloop.speech.signal_to_noise import estimate_snr
from voxloop.speech.waveform import to_int16
from voxloop.tasks import Answer, Row

Floats = npt.NDArray[np.float32]
Rows = Iterable[tuple[Row, Floats | None]]
"""Manifest rows, each with its waveform, float32 [n] in [-1, 1], or None."""
Labelled = tuple[Row, Floats | None, Answer]


class ScoringConfig(StrictModel):
    """How the models are run, and what they are asked besides; `configs/evaluation/<task>.yaml`.

    Args:
        batch: Utterances in one request to the graph. It changes the speed, not the answers; so do the next two.
        pool: Utterances held in memory and sorted by length before they are cut into batches.
        threads: Threads inside ONNX Runtime; 0 for one a core.
        golden: Which golden requests are asked, and how often.
        changes: Under which conditions some rows of the first set are asked again; None asks none.
        behaviour: Tests of behaviour by name; those of changed rows name conditions of `changes`.
    """

    batch: int = Field(ge=1)
    pool: int = Field(ge=1)
    threads: int = Field(ge=0)
    golden: GoldenConfig = GoldenConfig()
    changes: ChangesConfig | None = None
    behaviour: Mapping[str, BehaviourTest] = {}

    @model_validator(mode="after")
    def _tests_name_conditions(self) -> Self:
        known = set() if self.changes is None else set(self.changes.conditions)
        for name, test in self.behaviour.items():
            if self.changes is None or (missing := sorted(set(conditions_of(test)) - known)):
                told = "there are no changes" if self.changes is None else f"there is no condition {missing[0]!r}"
                raise ValueError(f"behaviour {name!r}: {told}")
        if self.changes is not None and (twice := sorted(known & set(self.behaviour))):
            raise ValueError(f"{twice[0]!r} is the name of a condition and of a test")
        return self


@dataclass
class Scored:
    """What came of scoring one evaluation set.

    Args:
        table: Of `ANSWERS_SCHEMA`: a row a model and labelled utterance.
        unlabelled: Rows that say nothing of what is asked, and were not scored.
        disputed: The first row for which the models do not mean the same by a right answer; None when there is none.
    """

    table: pa.Table
    unlabelled: int = 0
    disputed: str | None = None


@dataclass(frozen=True)
class Scoring:
    """Scores several models on the same rows.

    Args:
        models: By name, the challenger and perhaps the champion. What a right answer is, is the challenger's to say.
        config: Batching.
    """

    models: Mapping[str, ExportedModel]
    config: ScoringConfig

    def score(self, evaluation_set: str, rows: Rows, subset: Subset[Labelled] | None = None) -> Scored:
        """Ask every model about every labelled row of one evaluation set.

        Args:
            evaluation_set: Its name.
            rows: Its rows, read once.
            subset: Is offered every labelled row as it passes.

        Raises:
            InputError: A row's sample rate or label is not one the models know.
        """
        tables, found = [ANSWERS_SCHEMA.empty_table()], Scored(ANSWERS_SCHEMA.empty_table())
        for pool in self._pools(rows, found):
            if subset is not None:
                for one in pool:
                    subset.offer(str(one[0]["utterance_id"]), str(one[0]["speaker_id"]), one)
            for name, model in self.models.items():
                tables.append(self._ask(evaluation_set, name, model, pool))
        found.table = pa.concat_tables(tables)
        return found

    def _pools(self, rows: Rows, found: Scored) -> Iterator[list[Labelled]]:
        labelled = self._labelled(rows, found)
        while pool := list(islice(labelled, self.config.pool)):
            yield pool

    def _labelled(self, rows: Rows, found: Scored) -> Iterator[Labelled]:
        judge = self.models[CHALLENGER]
        for row, waveform in rows:
            reference = judge.task.reference(row, judge.encoding)
            if reference is None:
                found.unlabelled += 1
                continue
            _check_row(row, reference, self.models)
            others = (model.task.reference(row, model.encoding) for model in self.models.values())
            if found.disputed is None and any(other != reference for other in others):
                found.disputed = str(row["utterance_id"])
            yield {**row, "snr_db": _tell_snr(row, waveform)}, waveform, reference

    def _ask(self, evaluation_set: str, name: str, model: ExportedModel, pool: list[Labelled]) -> pa.Table:
        requests = [
            model.task.make_request(row, None if waveform is None else to_int16(waveform), model.encoding)
            for row, waveform, _ in pool
        ]
        answers = model.answer(requests, batch=self.config.batch)
        records = [
            describe_row(evaluation_set, name, row, reference, answer)
            for (row, _, reference), answer in zip(pool, answers, strict=True)
        ]
        return pa.Table.from_pylist(records, schema=ANSWERS_SCHEMA)


def _tell_snr(row: Row, waveform: Floats | None) -> float | None:
    """Return what the corpus says of the signal-to-noise ratio, else what the sound does, dB."""
    told = (row.get("features") or {}).get("snr_db")
    if told is not None and math.isfinite(told):
        return float(told)
    return None if waveform is None else estimate_snr(waveform)


def _check_row(row: Row, reference: Answer, models: Mapping[str, ExportedModel]) -> None:
    for name, model in models.items():
        if model.task.AUDIO and row["sample_rate"] != model.record.sample_rate:
            raise InputError(
                f"test utterance {row['utterance_id']} has {row['sample_rate']} Hz",
                rule=f"the {name} was made for {model.record.sample_rate} Hz",
                remedy="ingest the corpus again, or export a model for this rate",
            )
        if "emotion" in reference and reference["emotion"] not in model.encoding.labels:
            raise InputError(
                f"test utterance {row['utterance_id']} is labelled {reference['emotion']!r}",
                rule=f"the {name} knows {', '.join(model.encoding.labels)}",
                remedy="train on a dataset with the same labels",
            )
