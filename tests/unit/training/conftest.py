"""One tiny training that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.training.tones import TINY, write_tones
from voxloop.config import find_config, load_config
from voxloop.tasks import emotion, get_task
from voxloop.training.fit import fit_task


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset folder of hums."""
    return write_tones(tmp_path_factory.mktemp("tones") / "dataset")


@pytest.fixture(scope="session")
def recipe() -> emotion.EmotionConfig:
    """Return the smoke configuration, made tiny."""
    return load_config(emotion.EmotionConfig, find_config("tasks", "emotion", "smoke"), TINY)


@pytest.fixture(scope="session")
def weights(tones: Path, recipe: emotion.EmotionConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a weights folder trained on the hums."""
    folder = tmp_path_factory.mktemp("weights")
    fit_task(tones, folder, task=get_task("emotion"), recipe=recipe)
    return folder
