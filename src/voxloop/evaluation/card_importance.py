"""What a personality model's answers hang on, by shuffling one input at a time between utterances.

Permutation importance: L. Breiman, "Random forests", Machine Learning 45, 2001; A. Fisher, C. Rudin, F. Dominici, "All
models are wrong, but many are useful", JMLR 20, 2019. The model is asked as it is served, never trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.data.known_features import read_rows
from voxloop.errors import InputError
from voxloop.evaluation.answers import Answers
from voxloop.evaluation.card import Importance, Importances
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.moments import sum_groups
from voxloop.evaluation.samples import take_samples
from voxloop.tasks import Answer

REPEATS = 5
SEED = 7
BATCH = 64
WORDS = "all words"

Inputs = dict[str, npt.NDArray[Any]]


def measure_importances(
    model: Path, dataset: Path, measure: str, features: Path | None = None, *, repeats: int = REPEATS
) -> Importances | None:
    """Return by how much a measure drops for each input that is shuffled.

    None for a family without named inputs, and where the measure cannot be told.

    Args:
        model: Folder of the challenger.
        dataset: Its test split is asked.
        measure: One of the family's; above 0 is always what the shuffling costs.
        features: Parquet table with a row an utterance, as in the evaluation.
        repeats: Shufflings of each input.

    Raises:
        InputError: A folder or table is not what it should be, or the model gives something that is no number.
    """
    opened = ExportedModel(model, threads=1)
    if opened.task.NAME != "personality":
        return None
    rows = [(row, opened.task.reference(row, opened.encoding)) for row in read_rows(dataset, "test", features)]
    asked = [(row, wanted) for row, wanted in rows if wanted is not None]
    if not asked:
        return None
    requests = [dict(opened.task.make_request(row, None, opened.encoding)) for row, _ in asked]
    probe = _Probe(opened, asked, measure)
    whole, draw = probe.measure(requests), np.random.default_rng(SEED)
    if not np.isfinite(whole):
        return None
    found = []
    for name in _name_inputs(opened):
        drops = [whole - probe.measure(shuffle_input(requests, opened.encoding, name, draw)) for _ in range(repeats)]
        found.append(Importance(name=name, drop=float(np.mean(drops)), sd=float(np.std(drops))))
    ranked = sorted(found, key=lambda one: (-one.drop, one.name))
    return Importances(measure=measure, repeats=repeats, inputs=tuple(ranked))


def shuffle_input(
    requests: Sequence[Mapping[str, npt.NDArray[Any]]], encoding: Any, name: str, draw: np.random.Generator
) -> list[Inputs]:
    """Return the requests with one feature, or all words, of each taken from another."""
    order = draw.permutation(len(requests))
    if name == WORDS:
        return [{**one, "words": requests[other]["words"]} for one, other in zip(requests, order, strict=True)]
    column = [scale.name for scale in encoding.features].index(name)
    shuffled = []
    for one, other in zip(requests, order, strict=True):
        values = one["features"].copy()
        values[column] = requests[other]["features"][column]
        shuffled.append({**one, "features": values})
    return shuffled


class _Probe:
    """Asks a model about the same rows again and again."""

    def __init__(self, model: ExportedModel, asked: Sequence[tuple[Mapping[str, Any], Answer]], measure: str) -> None:
        self._model, self._measure = model, measure
        self._ids = np.array([row["utterance_id"] for row, _ in asked], dtype=np.str_)
        self._speakers = np.array([row["speaker_id"] for row, _ in asked], dtype=np.str_)
        self._references = tuple(wanted for _, wanted in asked)

    def measure(self, requests: Sequence[Mapping[str, npt.NDArray[Any]]]) -> float:
        """Return the measure, larger is better."""
        given = tuple(self._model.answer(requests, batch=BATCH))
        if None in given:
            raise InputError(
                f"the model has no answer to {self._ids[given.index(None)]} with a shuffled input",
                rule="an answer is made of finite numbers",
                remedy="leave --model out",
            )
        answers = Answers(self._ids, self._speakers, self._references, given, {})
        sample = take_samples(answers, self._model.task.NAME, self._model.encoding)[self._measure]
        sums = sum_groups(sample.moments, np.zeros(len(sample.moments), dtype=np.int64))
        value = float(sample.measure.value(sums)[0])
        return value if sample.measure.larger_is_better else -value


def _name_inputs(model: ExportedModel) -> list[str]:
    encoding = model.encoding
    voice = [scale.name for scale in encoding.features] if "voice" in encoding.modalities else []
    return [*voice, *([WORDS] if "words" in encoding.modalities else [])]
