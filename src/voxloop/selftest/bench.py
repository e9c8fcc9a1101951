"""What the faults of one family are tried on: a world, a model trained on it, and rows the gate never sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voxloop.config import find_config, load_config
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.policy import GatePolicy
from voxloop.selftest.config import SelfTestConfig
from voxloop.selftest.kept_changes import KeptChanges
from voxloop.speech.waveform import Waveform, to_int16
from voxloop.tasks import Answer, Task, get_task

Pair = tuple[Mapping[str, Any], Waveform | None]
"""A manifest row and its sound."""


@dataclass(frozen=True)
class Bench:
    """One family, one seed.

    Args:
        task: Name of the family.
        seed: Of world, training and faults.
        config: The numbers.
        policy: What the gate holds candidates against.
        folder: Where all of it lies: `dataset`, `model`, `noisy`, and a folder a candidate.
        share: Of the utterances, what the noisy model answers wrongly.
        loss: What that costs of the policy's first measure, on the rows the gate never sees.
        changes: Rows under changed conditions, made once for all candidates.
    """

    task: str
    seed: int
    config: SelfTestConfig
    policy: GatePolicy
    folder: Path
    share: float = math.nan
    loss: float = math.nan
    changes: KeptChanges = field(default_factory=KeptChanges)

    @property
    def family(self) -> Task:
        """The family."""
        return get_task(self.task)

    @property
    def dataset(self) -> Path:
        """The world as `ingest` writes it."""
        return self.folder / "dataset"

    @property
    def features(self) -> Path | None:
        """What the step `features` would tell of the world's utterances; None where the family takes none."""
        return self.folder / f"{self.family.FEATURES}.parquet" if self.family.FEATURES else None

    @property
    def model(self) -> Path:
        """The sound model, exported."""
        return self.folder / "model"

    @property
    def noisy(self) -> Path:
        """The sound model with noise that costs twice the margin."""
        return self.folder / "noisy"

    @cached_property
    def gate_rows(self) -> tuple[Pair, ...]:
        """Rows of the half of the test speakers that candidates are judged on."""
        return self._halves[0]

    @cached_property
    def unseen_rows(self) -> tuple[Pair, ...]:
        """Rows of the other half: no gate sees them, what is true of a candidate is measured here."""
        return self._halves[1]

    @cached_property
    def _halves(self) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
        from voxloop.data.known_features import iter_rows

        rows = list(iter_rows(self.dataset, "test", audio=self.family.AUDIO, features=self.features))
        speakers = sorted({str(row["speaker_id"]) for row, _ in rows})
        seen = set(speakers[::2])
        return (
            tuple(pair for pair in rows if pair[0]["speaker_id"] in seen),
            tuple(pair for pair in rows if pair[0]["speaker_id"] not in seen),
        )

    @property
    def margin(self) -> float:
        """What the policy lets a challenger be worse by in its first measure."""
        comparison = self.policy.measures[self.policy.primary].comparison
        assert comparison is not None  # noqa: S101 - a self-test policy compares its first measure
        return comparison.margin

    def draw(self, what: str) -> np.random.Generator:
        """Return the stream of chance of one purpose."""
        return np.random.default_rng([self.seed, *what.encode()])

    def find_train_rows(self) -> list[Pair]:
        """Return the training rows with their sound."""
        from voxloop.data.known_features import iter_rows

        return list(iter_rows(self.dataset, "train", audio=self.family.AUDIO, features=self.features))


def prepare_bench(task: str, seed: int, config: SelfTestConfig, folder: Path) -> Bench:
    """Make the world and train and export the sound model, by the code that production uses.

    Args:
        task: Family.
        seed: Added to the world's and the recipe's own.
        config: The numbers.
        folder: Existing, empty.

    Raises:
        VoxloopError: World, training or export failed.
    """
    policy = load_config(GatePolicy, find_config("gates", config.policy), config.policy_overrides)
    bench = Bench(task, seed, config, policy, folder)
    make_world(bench)
    train_model(bench, bench.dataset, bench.model, config.overrides)
    return bench


def make_world(bench: Bench) -> None:
    """Write the dataset, and the table of features where the family takes one."""
    from voxloop.data.corpora import find_corpus
    from voxloop.data.ingestion import write_dataset

    reader = find_corpus("world")
    changes = [*bench.config.corpus, f"world.seed={bench.seed}", f"split.salt=selftest-{bench.seed}"]
    config = load_config(reader.config_model, find_config("corpora", "world"), changes)
    bench.dataset.mkdir()
    write_dataset(reader, reader.list_candidates(config, None), config, bench.dataset)
    if bench.features is not None:
        _measure_prosody(bench.dataset, bench.features)


def _measure_prosody(dataset: Path, table: Path) -> None:
    import pyarrow.parquet as pq

    from voxloop.data.prosody_tables import FeaturesConfig, measure_utterances
    from voxloop.data.shards import iter_audio

    config = load_config(FeaturesConfig, find_config("features", "prosody"))
    pq.write_table(measure_utterances(iter_audio(dataset), config), table)


def train_model(bench: Bench, dataset: Path, model: Path, overrides: Sequence[str]) -> Path:
    """Train on a dataset, export into `model`, and return that."""
    from voxloop.tasks.recipe import Recipe
    from voxloop.training.export import export_model
    from voxloop.training.export_config import ExportConfig
    from voxloop.training.fit import fit_task

    changes = [*overrides, f"seed={bench.seed}"]
    recipe: Recipe = load_config(bench.family.Config, find_config("tasks", bench.task, bench.config.recipe), changes)
    weights = model.with_name(f"{model.name}-weights")
    weights.mkdir(parents=True)
    fit_task(dataset, weights, task=bench.family, recipe=recipe, features=bench.features)
    model.mkdir(parents=True)
    export_model(weights, model, load_config(ExportConfig, find_config("export")))
    return model


def ask_model(bench: Bench, model: Path, rows: Sequence[Pair]) -> list[Answer]:
    """Return what a model says of rows; every number must be finite."""
    opened = ExportedModel(model, threads=1, task=bench.task)
    requests = make_requests(bench, model, rows)
    return [answer or {} for answer in opened.answer(requests, batch=bench.config.batch)]


def make_requests(bench: Bench, model: Path, rows: Sequence[Pair]) -> list[dict[str, npt.NDArray[Any]]]:
    """Return what the model in a folder is asked about rows."""
    opened = ExportedModel(model, threads=1, task=bench.task)
    return [
        opened.task.make_request(row, None if sound is None else to_int16(sound), opened.encoding)
        for row, sound in rows
    ]


def measure_rows(bench: Bench, rows: Sequence[Pair], answers: Sequence[Answer]) -> float:
    """Return the policy's first measure of answers to rows."""
    encoding = ExportedModel(bench.model, threads=1, task=bench.task).encoding
    references = [bench.family.reference(row, encoding) for row, _ in rows]
    return bench.family.measure([one for one in references if one], answers, encoding)[bench.policy.primary]
