"""What training reads from a dataset, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.training.tones import SPEAKERS, tone_row, tone_rows, write_tones
from voxloop.data.shards import load_split
from voxloop.errors import CorpusError
from voxloop.tasks.emotion import LABELS
from voxloop.training.data_module import read_labelled, to_int16


def read(dataset: Path, split: str = "train") -> object:
    return read_labelled(dataset, split, target="emotion", labels=LABELS)  # type: ignore[arg-type]


def test_samples_are_those_of_the_files(tones: Path) -> None:
    found = read_labelled(tones, "dev", target="emotion", labels=LABELS)
    rows = load_split(tones, "dev")
    assert [LABELS[label] for label in found.labels] == [row["emotion"] for row, _ in rows]
    assert all(np.array_equal(a / np.float32(32_768), b) for a, (_, b) in zip(found.samples, rows, strict=True))
    assert found.label_counts(6).tolist() == [2 * SPEAKERS["dev"]] * 6
    assert found.audio_seconds == pytest.approx(sum(row["duration_s"] for row, _ in rows))


def test_full_scale_does_not_wrap() -> None:
    assert to_int16(np.array([1.0, -1.0, 1.5], dtype=np.float32)).tolist() == [32_767, -32_768, 32_767]


def test_an_utterance_without_a_label_is_left_out(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "mixed", [tone_row("fear", "train", 0), tone_row(None, "train", 1)])
    assert len(read_labelled(dataset, "train", target="emotion", labels=LABELS)) == 1


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "no-dev", tone_rows({"train": 1}))
    with pytest.raises(CorpusError, match=r"no-dev/dev has no utterance with a label in 'emotion' \(0 without one\)"):
        read(dataset, "dev")


def test_a_split_without_labels_is_named(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "bare", [tone_row(None, "train", speaker) for speaker in range(3)])
    with pytest.raises(CorpusError, match=r"bare/train has no utterance .* \(3 without one\)"):
        read(dataset)


def test_a_label_outside_the_set_is_named(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "odd", [tone_row("boredom", "train", 0)])
    with pytest.raises(CorpusError, match=r"train-0-boredom-0 in odd/train is labelled 'boredom'; the labels of"):
        read(dataset)


def test_another_sample_rate_is_named(tmp_path: Path) -> None:
    dataset = write_tones(tmp_path / "slow", [{**tone_row("fear", "train", 0), "sample_rate": 8_000}])
    with pytest.raises(CorpusError, match="has 8000 Hz"):
        read(dataset)
