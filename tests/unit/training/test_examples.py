"""What training reads from a dataset, how a batch is padded, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training.tones import SPEAKERS, tone_row, tone_rows, write_tones
from voxloop.config import find_config, load_config
from voxloop.data.known_features import read_rows
from voxloop.data.shards import load_split, write_measures
from voxloop.data.splits import Split
from voxloop.errors import CorpusError, InputError
from voxloop.speech.waveform import to_int16
from voxloop.tasks import Example, emotion, get_task
from voxloop.tasks.batches import pad_rows
from voxloop.training.examples import (
    Examples,
    collate,
    gather_examples,
    read_examples,
)

ENCODING = emotion.EmotionEncoding(labels=emotion.LABELS, weights=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))

rows_of_samples = st.lists(st.lists(st.integers(-32_768, 32_767), max_size=12), min_size=1, max_size=5)


@pytest.fixture(scope="session")
def smoke() -> emotion.EmotionConfig:
    return load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"))


def read(dataset: Path, split: Split, config: emotion.EmotionConfig) -> Examples:
    return read_examples(dataset, split, get_task("emotion"), ENCODING, config)


def example(samples: list[int], label: int, weight: float = 1.0) -> Example:
    sound = np.array(samples, dtype=np.int16)
    return Example({"waveform": sound, "num_samples": np.array(len(sound))}, {"label": np.array(label)}, weight, 1.0)


def test_samples_labels_and_speakers_are_those_of_the_files(tones: Path, smoke: emotion.EmotionConfig) -> None:
    found = read(tones, "dev", smoke)
    rows = load_split(tones, "dev")
    assert len(found) == len(rows) == 2 * 6 * SPEAKERS["dev"]
    assert [emotion.LABELS[one.targets["label"]] for one in found.examples] == [row["emotion"] for row, _ in rows]
    assert [one["emotion"] for one in found.references] == [row["emotion"] for row, _ in rows]
    assert found.speakers == tuple(row["speaker_id"] for row, _ in rows)
    for one, (_, waveform) in zip(found.examples, rows, strict=True):
        assert np.array_equal(one.inputs["waveform"] / np.float32(32_768), waveform)
    assert found.seconds == pytest.approx([row["duration_s"] for row, _ in rows])
    assert found.weights.tolist() == [ENCODING.weights[emotion.LABELS.index(row["emotion"])] for row, _ in rows]


def test_full_scale_does_not_wrap() -> None:
    assert to_int16(np.array([1.0, -1.0, 1.5], dtype=np.float32)).tolist() == [32_767, -32_768, 32_767]


def test_an_utterance_without_a_label_is_left_out(tmp_path: Path, smoke: emotion.EmotionConfig) -> None:
    dataset = write_tones(tmp_path / "mixed", [tone_row("fear", "train", 0), tone_row(None, "train", 1)])
    assert read(dataset, "train", smoke).speakers == ("train-0",)


def test_an_empty_split_is_named(tmp_path: Path, smoke: emotion.EmotionConfig) -> None:
    dataset = write_tones(tmp_path / "no-dev", tone_rows({"train": 1}))
    with pytest.raises(CorpusError, match=r"no-dev/dev has no utterance with a label for emotion \(0 without one\)"):
        read(dataset, "dev", smoke)


def test_a_split_without_labels_is_named(tmp_path: Path, smoke: emotion.EmotionConfig) -> None:
    dataset = write_tones(tmp_path / "bare", [tone_row(None, "train", speaker) for speaker in range(3)])
    with pytest.raises(CorpusError, match=r"bare/train has no utterance .* \(3 without one\)"):
        read(dataset, "train", smoke)


def test_a_label_outside_the_set_is_named(tmp_path: Path, smoke: emotion.EmotionConfig) -> None:
    dataset = write_tones(tmp_path / "odd", [tone_row("boredom", "train", 0)])
    with pytest.raises(CorpusError, match=r"train-0-boredom-0 is labelled 'boredom'.*the labels of emotion are"):
        read(dataset, "train", smoke)


def test_another_sample_rate_is_named(tmp_path: Path, smoke: emotion.EmotionConfig) -> None:
    dataset = write_tones(tmp_path / "slow", [{**tone_row("fear", "train", 0), "sample_rate": 8_000}])
    with pytest.raises(CorpusError, match="slow/train has 8000 Hz"):
        read(dataset, "train", smoke)


def test_rows_need_not_come_from_a_folder(smoke: emotion.EmotionConfig) -> None:
    row = {"utterance_id": "one", "speaker_id": "her", "sample_rate": 16_000, "emotion": "fear"}
    sound = np.array([0.5, -0.5], dtype=np.float32)
    found = gather_examples([(row, sound)], "by hand", get_task("emotion"), ENCODING, smoke)
    assert found.examples[0].inputs["waveform"].tolist() == [16_384, -16_384]
    assert found.references == ({"emotion": "fear"},)
    with pytest.raises(CorpusError, match=r"by hand has no utterance with a label for emotion \(1 without one\)"):
        gather_examples([({**row, "emotion": None}, sound)], "by hand", get_task("emotion"), ENCODING, smoke)


def test_features_are_the_measures_of_the_dataset_and_those_of_the_table(tmp_path: Path) -> None:
    rows = [tone_row("fear", "train", speaker) for speaker in range(3)]
    dataset = write_tones(tmp_path / "dataset", rows)
    first, second, third = (row["utterance_id"] for row in rows)
    write_measures({first: {"snr_db": 20.0, "pitch_hz": 100.0}, second: {"snr_db": 10.0, "pitch_hz": 90.0}}, dataset)
    table = tmp_path / "features.parquet"
    more = {"utterance_id": [first, second], "snr_db": [30.0, None], "words": [4, 5], "note": ["a", "b"]}
    pq.write_table(pa.table(more), table)
    found = {row["utterance_id"]: row["features"] for row in read_rows(dataset, "train", table)}
    assert found[first] == {"snr_db": 30.0, "pitch_hz": 100.0, "words": 4.0}
    assert found[second] == {"snr_db": None, "pitch_hz": 90.0, "words": 5.0}
    assert found[third] == {}
    assert {row["utterance_id"] for row in read_rows(dataset, "dev", table)} == set()


@pytest.mark.parametrize(("columns", "problem"), [(None, "does not exist"), ({"id": ["a"]}, "no column utterance_id")])
def test_a_table_that_is_none_is_refused(tmp_path: Path, columns: Mapping[str, list[str]] | None, problem: str) -> None:
    dataset = write_tones(tmp_path / "dataset", [tone_row("fear", "train", 0)])
    table = tmp_path / "features.parquet"
    if columns is not None:
        pq.write_table(pa.table(dict(columns)), table)
    with pytest.raises(InputError, match=problem):
        read_rows(dataset, "train", table)


def test_a_batch_is_padded_with_silence_behind() -> None:
    batch = collate([example([-32_768, 16_384], 3, weight=0.5), example([1, 2, 3], 0, weight=2.0)])
    torch.testing.assert_close(batch.inputs["waveform"][0], torch.tensor([-1.0, 0.5, 0.0]))
    assert batch.inputs["num_samples"].tolist() == [2, 3]
    assert batch.targets["label"].tolist() == [3, 0]
    assert batch.weights.tolist() == [0.5, 2.0]
    types = (batch.inputs["waveform"].dtype, batch.inputs["num_samples"].dtype, batch.weights.dtype)
    assert types == (torch.float32, torch.int64, torch.float32)


@given(rows_of_samples)
def test_padding_changes_no_sample(rows: list[list[int]]) -> None:
    padded = pad_rows([np.array(row, dtype=np.int16) for row in rows])
    assert padded.shape == (len(rows), max(len(row) for row in rows))
    assert padded.dtype == np.float32
    for row, found in zip(rows, padded, strict=True):
        assert (found[: len(row)] * 32_768).tolist() == row
        assert not found[len(row) :].any()
        assert (np.abs(found) <= 1.0).all()


@pytest.mark.parametrize(
    ("rows", "padded"),
    [
        ([np.array(3), np.array(4)], np.array([3, 4])),
        ([np.array([1, 2]), np.array([], dtype=np.int64)], np.array([[1, 2], [0, 0]])),
        ([np.array([1.5], dtype=np.float32)], np.array([[1.5]], dtype=np.float32)),
        ([np.array([True]), np.array([True, True])], np.array([[True, False], [True, True]])),
        ([np.ones((1, 2)), np.ones((2, 1))], np.array([[[1.0, 1], [0, 0]], [[1, 0], [1, 0]]])),
    ],
)
def test_other_arrays_keep_their_type(rows: list[npt.NDArray[Any]], padded: npt.NDArray[Any]) -> None:
    found = pad_rows(rows)
    assert found.dtype == rows[0].dtype == padded.dtype
    np.testing.assert_array_equal(found, padded)
