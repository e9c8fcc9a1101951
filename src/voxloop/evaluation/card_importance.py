"""What a personality model's answers hang on, by shuffling one input at a time between utterances.

Permutation importance: L. Breiman, "Random forests", Machine Learning 45, 2001; A. Fisher, C. Rudin, F. Dominici, "All
models are wrong, but many are useful", JMLR 20, 2019. The model is asked as it is served, never trained again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from voxloop.config import StrictModel
from voxloop.data.known_features import read_rows
from voxloop.errors import InputError, IntegrityError
from voxloop.evaluation.answers import Answers
from voxloop.evaluation.card import Importance, Importances
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.moments import sum_groups
from voxloop.evaluation.report import Evaluation, read_json_record
from voxloop.evaluation.samples import take_samples
from voxloop.evaluation.subset import choose_rows
from voxloop.store.atomic import write_file
from voxloop.tasks import Answer

IMPORTANCES_NAME = "importances.json"
FAMILY = "personality"
"""The one whose inputs have names."""
REPEATS = 5
MOST_ROWS = 500
"""Rows that are asked: of all of them with 30 inputs, 5 shufflings and 45 µs an answer, 10,000 would take a minute."""
SEED = 7
BATCH = 64
WORDS = "all words"

Inputs = dict[str, npt.NDArray[Any]]


class ImportancesReport(StrictModel):
    """The content of `importances.json`: of which model and evaluation, and what was found on the test split."""

    schema_version: Literal[1] = 1
    model_digest: str
    answers_digest: str
    importances: Importances

    def write(self, folder: Path) -> None:
        """Write `importances.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
        write_file(folder / IMPORTANCES_NAME, text + "\n")


def write_importances(
    model: Path, dataset: Path, evaluation: Evaluation, folder: Path, features: Path | None = None
) -> str:
    """Measure what the challenger's answers hang on, in the family's first measure, and write `importances.json`.

    Nothing is written for a family without named inputs, and where they cannot be measured: an evaluation is one
    without them, and whether answers are numbers is for the gate to say.

    Args:
        model: Folder of the challenger.
        dataset: Its test split is asked.
        evaluation: What was reported of both.
        folder: Of the evaluation.
        features: Parquet table with a row an utterance, as in the evaluation.

    Returns:
        Why there are none; empty where there are, or need not be.
    """
    if evaluation.task != FAMILY:
        return ""
    try:
        found = measure_importances(model, dataset, None, features)
    except InputError as problem:
        return str(problem)
    if found is None:
        return "no row can be measured"
    ImportancesReport(
        model_digest=evaluation.model_digest, answers_digest=evaluation.answers_digest, importances=found
    ).write(folder)
    return ""


def find_importances(folder: Path, evaluation: Evaluation) -> Importances | None:
    """Return what an evaluation's folder says its challenger's answers hang on; None where it says nothing.

    Raises:
        InputError: The file is malformed.
        IntegrityError: It is of another model or other answers.
    """
    if not (folder / IMPORTANCES_NAME).is_file():
        return None
    report = read_json_record(ImportancesReport, folder / IMPORTANCES_NAME)
    if (report.model_digest, report.answers_digest) != (evaluation.model_digest, evaluation.answers_digest):
        raise IntegrityError(
            f"{IMPORTANCES_NAME} is of model {report.model_digest[:12]}, answers {report.answers_digest[:12]}",
            rule=f"the evaluation is of {evaluation.model_digest[:12]}, {evaluation.answers_digest[:12]}",
            remedy="evaluate again",
        )
    return report.importances


def measure_importances(
    model: Path,
    dataset: Path,
    measure: str | None,
    features: Path | None = None,
    *,
    repeats: int = REPEATS,
    most: int = MOST_ROWS,
) -> Importances | None:
    """Return by how much a measure drops for each input that is shuffled.

    None for a family without named inputs, and where the measure cannot be told.

    Args:
        model: Folder of the challenger.
        dataset: Its test split is asked.
        measure: One of the family's, None for its first; above 0 is always what the shuffling costs.
        features: Parquet table with a row an utterance, as in the evaluation.
        repeats: Shufflings of each input.
        most: Rows that are asked, as many of each speaker as can be.

    Raises:
        InputError: A folder or table is not what it should be, or the model gives something that is no number.
    """
    opened = ExportedModel(model, threads=1)
    if opened.task.NAME != FAMILY:
        return None
    rows = [(row, opened.task.reference(row, opened.encoding)) for row in read_rows(dataset, "test", features)]
    labelled = [(row, wanted) for row, wanted in rows if wanted is not None]
    if not labelled:
        return None
    ids, speakers = ([str(row[name]) for row, _ in labelled] for name in ("utterance_id", "speaker_id"))
    chosen = choose_rows(ids, speakers, most, SEED)
    asked = [one for one, is_chosen in zip(labelled, chosen, strict=True) if is_chosen]
    requests = [dict(opened.task.make_request(row, None, opened.encoding)) for row, _ in asked]
    probe = _Probe(opened, asked, measure)
    whole, draw = probe.measure(requests), np.random.default_rng(SEED)
    if not np.isfinite(whole):
        return None
    found = []
    for name in _name_inputs(opened):
        drops = [whole - probe.measure(shuffle_input(requests, opened.encoding, name, draw)) for _ in range(repeats)]
        if not np.isfinite(drops).all():
            return None
        found.append(Importance(name=name, drop=float(np.mean(drops)), sd=float(np.std(drops))))
    ranked = sorted(found, key=lambda one: (-one.drop, one.name))
    return Importances(
        measure=probe.name, repeats=repeats, inputs=tuple(ranked), rows=len(asked), all_rows=len(labelled)
    )


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

    def __init__(
        self, model: ExportedModel, asked: Sequence[tuple[Mapping[str, Any], Answer]], measure: str | None
    ) -> None:
        self._model, self.name = model, measure or ""
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
        samples = take_samples(answers, self._model.task.NAME, self._model.encoding)
        self.name = self.name or next(iter(samples))
        sample = samples[self.name]
        sums = sum_groups(sample.moments, np.zeros(len(sample.moments), dtype=np.int64))
        value = float(sample.measure.value(sums)[0])
        return value if sample.measure.larger_is_better else -value


def _name_inputs(model: ExportedModel) -> list[str]:
    encoding = model.encoding
    voice = [scale.name for scale in encoding.features] if "voice" in encoding.modalities else []
    return [*voice, *([WORDS] if "words" in encoding.modalities else [])]
