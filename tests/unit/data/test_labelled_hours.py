from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.jobs.datasets import make_utterance, write_dataset
from voxloop.data.labelled_hours import LABELS, measure_labelled_hours
from voxloop.data.schema import make_row
from voxloop.errors import InputError
from voxloop.tasks import task_names

UTTERANCE = 0.6 / 3600
"""Hours of an utterance made by hand."""


def test_hours_are_of_what_has_a_label_of_the_family(tmp_path: Path) -> None:
    rows = [make_row(make_utterance("s1", label, 0), "train") for label in ("anger", "fear", None)]
    rows += [make_row(make_utterance("s2", "anger", 0), "test")]
    rows[0] |= {"text": ""}
    rows[1] |= {"neuroticism": 0.3, "text": None}
    dataset = write_dataset(tmp_path / "dataset", rows)
    found = {task: measure_labelled_hours(dataset, task) for task in LABELS}
    assert found == pytest.approx({"emotion": 3 * UTTERANCE, "asr": 2 * UTTERANCE, "personality": UTTERANCE})
    assert set(LABELS) == set(task_names())


def test_what_is_no_dataset_has_no_hours(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        measure_labelled_hours(tmp_path, "emotion")
