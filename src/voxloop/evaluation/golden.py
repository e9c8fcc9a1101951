"""What golden requests cost: how long they take side by side, what memory, what files; and what is heard in silence.

Times differ from run to run, and memory by a few pages, so this stands in `golden.json`, beside an `evaluation.json`
that is the same every time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from voxloop.config import StrictModel
from voxloop.evaluation.answers import CHALLENGER, CHAMPION
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.memory import measure_memory, measure_size
from voxloop.speech.waveform import SAMPLE_RATE
from voxloop.store.atomic import write_file

GOLDEN_NAME = "golden.json"
MEASURED = ("challenger_ms", "champion_ms")
"""Its fields that tell of the machine and the moment, not of the models alone: asked again, they differ."""

Arrays = Mapping[str, npt.NDArray[Any]]


class GoldenConfig(StrictModel):
    """Which golden requests, and how often.

    Args:
        seconds: Length of each, s.
        rounds: How often each model is asked each; a first round, in which memory is allocated, is not counted.
        silence_db: Level of the noise in silent requests, dB beside full scale; digital silence is always asked too.
    """

    seconds: tuple[float, ...] = Field(default=(0.5, 1.5, 3.0, 7.3), min_length=2)
    rounds: int = Field(default=7, ge=3)
    silence_db: tuple[float, ...] = (-80.0, -65.0)


class GoldenReport(StrictModel):
    """The content of `golden.json`.

    Args:
        challenger_digest: Whose figures these are.
        champion_digest: Beside whom; None without a champion.
        challenger_ms: Sum over the requests of the least time of one, asked alone and decoded, ms.
        champion_ms: The same of the champion, asked in turn with the challenger.
        challenger_bytes: Size of the files that serve, `model.onnx` and `model.json`.
        champion_bytes: The same of the champion.
        challenger_memory_bytes: By how much a process of its own grows at most, in resident memory, when it opens the
            graph and asks it the requests one by one; None where that could not be measured.
        champion_memory_bytes: The same of the champion.
        words_on_silence: Words a minute that the challenger writes of silent requests; None for families that write
            none, or where a number it gave is not finite.
    """

    schema_version: Literal[2] = 2
    challenger_digest: str
    champion_digest: str | None
    challenger_ms: float = Field(gt=0, allow_inf_nan=False)
    champion_ms: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    challenger_bytes: int = Field(gt=0)
    champion_bytes: int | None = Field(default=None, gt=0)
    challenger_memory_bytes: int | None = Field(default=None, gt=0)
    champion_memory_bytes: int | None = Field(default=None, gt=0)
    words_on_silence: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    @property
    def slowdown(self) -> float | None:
        """How many times as long as the champion the challenger takes; None without a champion."""
        return None if self.champion_ms is None else self.challenger_ms / self.champion_ms

    def write(self, folder: Path) -> None:
        """Write `golden.json` into `folder`."""
        write_file(folder / GOLDEN_NAME, json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")


def measure_golden(challenger: Path, champion: Path | None, config: GoldenConfig, *, threads: int) -> GoldenReport:
    """Ask both models golden requests in turn, and the challenger silent ones.

    Args:
        challenger: Folder written by `export`.
        champion: The same of the champion; None without one.
        config: Which requests.
        threads: Threads inside ONNX Runtime; 0 for one a core.

    Raises:
        InputError: A folder is not an exported model.
    """
    folders = {CHALLENGER: challenger} | ({} if champion is None else {CHAMPION: champion})
    models = {name: ExportedModel(folder, threads=threads) for name, folder in folders.items()}
    taken = time_models(models, config)
    sizes = {name: measure_size(folder) for name, folder in folders.items()}
    memory = {name: measure_memory(folder, models[name], config.seconds, threads) for name, folder in folders.items()}
    return GoldenReport(
        challenger_digest=models[CHALLENGER].digest,
        champion_digest=models[CHAMPION].digest if CHAMPION in models else None,
        challenger_ms=taken[CHALLENGER],
        champion_ms=taken.get(CHAMPION),
        challenger_bytes=sizes[CHALLENGER],
        champion_bytes=sizes.get(CHAMPION),
        challenger_memory_bytes=memory[CHALLENGER] or None,
        champion_memory_bytes=memory.get(CHAMPION) or None,
        words_on_silence=count_words_on_silence(models[CHALLENGER], config),
    )


def time_models(models: Mapping[str, ExportedModel], config: GoldenConfig) -> dict[str, float]:
    """Return the milliseconds each model takes for all golden requests, the least of the rounds for each request.

    The models are asked in turn. What else the machine does meanwhile only ever adds to a time, and of a request of a
    tenth of a millisecond it can add ten times as much: the least is what the model takes (docs of `timeit`).
    """
    requests = {name: list(model.task.golden_inputs(model.encoding, config.seconds)) for name, model in models.items()}
    taken: dict[str, list[list[float]]] = {name: [] for name in models}
    for _ in range(config.rounds + 1):
        for name, model in models.items():
            taken[name].append([_time_one(model, one) for one in requests[name]])
    return {name: 1e3 * float(np.min(rounds[1:], axis=0).sum()) for name, rounds in taken.items()}


def count_words_on_silence(model: ExportedModel, config: GoldenConfig) -> float | None:
    """Return how many words a minute a recogniser writes of sounds in which nobody speaks; None for other families."""
    if model.task.NAME != "asr":
        return None
    sounds = silent_waveforms(config)
    answers = model.answer([model.task.make_request({}, sound, model.encoding) for sound in sounds], batch=1)
    minutes = sum(map(len, sounds)) / SAMPLE_RATE / 60.0
    words = [len(str(one["text"]).split()) for one in answers if one is not None]
    return None if len(words) < len(sounds) else sum(words) / minutes


def silent_waveforms(config: GoldenConfig) -> list[npt.NDArray[np.int16]]:
    """Return sounds without a voice, int16 [n]: digital silence, and noise of each level, in each length."""
    levels = (0.0, *(32_768.0 * 10.0 ** (db / 20.0) for db in config.silence_db))
    return [_draw_noise(seconds, level) for seconds in config.seconds for level in levels]


def _draw_noise(seconds: float, level: float) -> npt.NDArray[np.int16]:
    noise = level * np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE))
    return np.rint(noise).astype(np.int16)


def _time_one(model: ExportedModel, request: Arrays) -> float:
    started = time.perf_counter()
    model.answer([request], batch=1)
    return time.perf_counter() - started
