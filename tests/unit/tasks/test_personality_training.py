"""Personality from a dataset to an ONNX graph: it learns what there is, and the graph says what torch says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.jobs.datasets import write_dataset
from tests.unit.tasks.test_personality import config, make_rows
from voxloop.config import find_config, load_config
from voxloop.data.schema import TRAITS, Utterance, make_row
from voxloop.tasks import get_task
from voxloop.training.export import export_model
from voxloop.training.export_config import ExportConfig
from voxloop.training.fit import fit_task

SPLITS = {"train": 60, "dev": 20}


def write_people(folder: Path) -> tuple[Path, Path]:
    """Write a dataset of words alone, and a table with the features of its utterances."""
    rows: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for seed, (split, count) in enumerate(SPLITS.items()):
        for made in make_rows(2 * count, seed=seed + 1):
            utterance = Utterance(
                utterance_id=f"{split}-{made['utterance_id']}",
                speaker_id=f"{split}-{made['speaker_id']}",
                waveform=None,
                recorded_at=datetime(2025, 1, 1, tzinfo=UTC),
                source="by hand",
                licence="CC0-1.0",
                language="en",
                text=made["text"],
                traits={trait: made[trait] for trait in TRAITS},
            )
            rows.append({**make_row(utterance, split), "duration_s": 2.0})
            known.append({"utterance_id": utterance.utterance_id, **made["features"]})
    pq.write_table(pa.Table.from_pylist(known), folder / "features.parquet")
    return write_dataset(folder / "people", rows), folder / "features.parquet"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_people(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize("kind", ["regression", "binary"])
def test_what_is_learnt_is_what_the_graph_says(kind: str, people: tuple[Path, Path], tmp_path: Path) -> None:
    weights, model = tmp_path / "weights", tmp_path / "model"
    weights.mkdir()
    model.mkdir()
    recipe = config(f"kind={kind}", "epochs=12", "patience=12")
    fit_task(people[0], weights, task=get_task("personality"), recipe=recipe, features=people[1])
    report = json.loads((weights / "training.json").read_text())
    heard, said = ("r_extraversion", "r_agreeableness")
    if kind == "binary":
        heard, said = ("balanced_accuracy_extraversion", "balanced_accuracy_agreeableness")
    assert report["dev"][heard] > 0.7
    assert report["dev"][said] > 0.7
    export_model(weights, model, load_config(ExportConfig, find_config("export")))
    parity = json.loads((model / "parity.json").read_text())
    assert parity["largest"] <= 1e-4
    golden = {len(case["shapes"]["words"]) for case in parity["cases"]}
    assert golden == {1}


def test_without_features_the_words_are_learnt_of(people: tuple[Path, Path], tmp_path: Path) -> None:
    recipe = config("modalities=[words]", "epochs=4")
    fit_task(people[0], tmp_path, task=get_task("personality"), recipe=recipe)
    report = json.loads((tmp_path / "training.json").read_text())
    assert [spec["name"] for spec in report["request"]["inputs"]] == ["words"]
    assert np.isfinite(report["dev"]["ccc"])
