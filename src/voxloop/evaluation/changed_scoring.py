"""Asking both models again about some of the test rows under changed conditions, and about made-up requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from voxloop.evaluation.answers import Answers
from voxloop.evaluation.behaviour import BehaviourTest, MinimumFunction, check_tests
from voxloop.evaluation.changed_answers import (
    CHANGED_SCHEMA,
    describe_changed,
    name_request,
    read_changed,
    write_changed,
)
from voxloop.evaluation.conditions import Change, ChangesConfig, change_row, check_conditions
from voxloop.evaluation.exported_model import Arrays, ExportedModel
from voxloop.evaluation.report import Evaluation
from voxloop.evaluation.robustness import CHANGED_NAME, Changed, RobustnessReport, figure_robustness
from voxloop.evaluation.scoring import Labelled
from voxloop.speech.waveform import SAMPLE_RATE, to_int16
from voxloop.store.digests import digest_file


@dataclass(frozen=True)
class ChangedScoring:
    """Asks models about changed rows.

    Args:
        models: By name, the challenger and perhaps the champion; one family.
        changes: The conditions.
        tests: The tests of behaviour, of which those of made-up requests are asked.
        batch: Requests in one call of a graph.
        change: Makes a changed row, as `change_row` does.
    """

    models: Mapping[str, ExportedModel]
    changes: ChangesConfig
    tests: Mapping[str, BehaviourTest]
    batch: int
    change: Change = change_row

    def ask(self, rows: Sequence[Labelled]) -> tuple[pa.Table, dict[str, str]]:
        """Ask everything.

        Args:
            rows: The chosen rows as they are, with their sound.

        Returns:
            A table of `CHANGED_SCHEMA`, and a digest of the changed rows by condition.

        Raises:
            ConfigError: A condition or a test is not one of the family.
        """
        task = next(iter(self.models.values())).task
        check_conditions(self.changes.conditions, task)
        check_tests(self.tests, task)
        records: list[dict[str, Any]] = []
        digests: dict[str, str] = {}
        for name in self.changes.conditions:
            digest = hashlib.sha256()
            changed = self._change(rows, name, digest)
            digests[name] = digest.hexdigest()
            records += self._ask_rows(name, changed)
        for name, test in self.tests.items():
            if isinstance(test, MinimumFunction):
                records += self._ask_made(name, test)
        return pa.Table.from_pylist(records, schema=CHANGED_SCHEMA), digests

    def _change(self, rows: Sequence[Labelled], name: str, digest: Any) -> list[tuple[Any, Any]]:
        changed = []
        for row, waveform, _ in rows:
            known, sound = self.change(row, waveform, name, self.changes.conditions[name], self.changes.seed)
            samples = None if sound is None else to_int16(sound)
            told = f"{row['utterance_id']}\0{known.get('text')}\0{sorted((known.get('features') or {}).items())}\0"
            digest.update(told.encode())
            digest.update(b"" if samples is None else samples.astype("<i2").tobytes())
            changed.append((known, samples))
        return changed

    def _ask_rows(self, name: str, changed: Sequence[tuple[Any, Any]]) -> Iterator[dict[str, Any]]:
        beside_others = self.changes.conditions[name].kind == "order"
        for model_name, model in self.models.items():
            requests = [model.task.make_request(row, samples, model.encoding) for row, samples in changed]
            answers = model.answer(requests, batch=self.batch, sort=not beside_others)
            for (row, _), answer in zip(changed, answers, strict=True):
                yield describe_changed(name, row["utterance_id"], row["speaker_id"], model_name, answer)

    def _ask_made(self, name: str, test: MinimumFunction) -> Iterator[dict[str, Any]]:
        for model_name, model in self.models.items():
            answers = model.answer(list(make_requests(test, model)), batch=1)
            for place, answer in enumerate(answers):
                yield describe_changed(name, name_request(place), None, model_name, answer)


def make_requests(test: MinimumFunction, model: ExportedModel) -> Iterator[Arrays]:
    """Yield the made-up requests of a test."""
    if test.requests == "golden":
        yield from model.task.golden_inputs(model.encoding, test.seconds)
        return
    for seconds in test.seconds:
        silence = np.zeros(round(seconds * SAMPLE_RATE), dtype=np.int16)
        yield model.task.make_request({}, silence, model.encoding)


def write_robustness(
    scoring: ChangedScoring, rows: Sequence[Labelled], whole: Mapping[str, Answers], evaluation: Evaluation, out: Path
) -> RobustnessReport:
    """Ask everything and write `robustness.parquet` and `robustness.json`.

    Args:
        scoring: Whom to ask what.
        rows: The chosen rows.
        whole: Answers to the first evaluation set as it is, by model.
        evaluation: What was reported of the rows as they are.
        out: Existing folder to fill.
    """
    table, requests = scoring.ask(rows)
    write_changed(table, out / CHANGED_NAME)
    challenger = next(iter(scoring.models.values()))
    changed = Changed(
        table=read_changed(out / CHANGED_NAME),
        whole=whole,
        changes=scoring.changes,
        tests=scoring.tests,
        task=challenger.task,
        encoding=challenger.encoding,
    )
    champion = evaluation.champion
    report = RobustnessReport(
        task=evaluation.task,
        evaluation_set=evaluation.sets[0].name,
        model_digest=evaluation.model_digest,
        champion_digest=champion.model_digest if champion is not None and len(scoring.models) > 1 else None,
        answers_digest=evaluation.answers_digest,
        changed_digest=digest_file(out / CHANGED_NAME),
        changes=scoring.changes,
        tests=scoring.tests,
        requests=requests,
        figures=figure_robustness(changed, scoring.changes.level),
    )
    report.write(out)
    return report
