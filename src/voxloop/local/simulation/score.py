"""The score, kept outside: what callers were answered and what the frozen first champion says of the very same sounds.

    python -m voxloop.local.simulation.score --task emotion --days 30 --seed 7 --place HOME/world --journal … --out …

Stock clients alone: MLflow's for the models, ONNX Runtime for the answers, pyarrow for the evaluation sets. Of the
platform it reads what anybody may: its registry, its frozen sets, and the journal of its people.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import soundfile
from numpy.typing import NDArray

from voxloop.config import find_config, load_config
from voxloop.local.simulation.page import write_page
from voxloop.local.simulation.report import build_report, summarise
from voxloop.local.simulation.talk import name_heard, read_scenario
from voxloop.monitoring.drift.policy import DriftPolicy
from voxloop.store.atomic import write_file

Sounds = Iterable[tuple[NDArray[np.float32], str]]


class Model:
    """An exported model, asked by ONNX Runtime.

    Args:
        folder: With `model.onnx` and `model.json`.
    """

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self._labels: list[str] = json.loads((folder / "model.json").read_text(encoding="utf-8"))["labels"]

    def answer(self, sound: NDArray[np.float32]) -> str:
        """Return the label of a sound, float32 [n] at 16 kHz."""
        feed = {"waveform": sound[None, :], "num_samples": np.array([len(sound)], np.int64)}
        return self._labels[int(np.argmax(self._session.run(["probabilities"], feed)[0][0]))]

    def score(self, sounds: Sounds) -> float | None:
        """Return the mean recall over the labels of some sounds."""
        pairs = [(label, self.answer(sound)) for sound, label in sounds]
        return measure_uar(pairs)


def measure_uar(pairs: Sequence[tuple[str, str | None]]) -> float | None:
    """Return the mean over the labels of the share that was answered rightly; no answer is a wrong one.

    Args:
        pairs: What was said, and what was answered.

    Returns:
        None without any.
    """
    recalls = []
    for label in sorted({said for said, _ in pairs}):
        answered = [answer for said, answer in pairs if said == label]
        recalls.append(sum(answer == label for answer in answered) / len(answered))
    return sum(recalls) / len(recalls) if recalls else None


def score_windows(place: Path, count: int, frozen: Model) -> list[dict[str, Any]]:
    """Return, window by window, the quality that callers had and that they would have had of the frozen model."""
    scores = []
    for number in range(count):
        path = name_heard(place, number)
        if not path.exists():
            break
        heard = json.loads(path.read_text(encoding="utf-8"))["heard"]
        sounds = [(read_sound(place / "sounds" / one["sound"]), one["emotion"]) for one in heard]
        served = measure_uar([(one["emotion"], one["answer"]) for one in heard])
        models = sorted({one["model_digest"] for one in heard if one["model_digest"]})
        lost = sum(one["answer"] is None for one in heard)
        page = {"window": number, "served": served, "unattended": frozen.score(sounds)}
        scores.append({**page, "rows": len(heard), "unanswered": lost, "models": models})
    return scores


def read_set(folder: Path) -> list[tuple[NDArray[np.float32], str]]:
    """Return the sounds of a frozen evaluation set and their labels."""
    return [
        (read_sound(io.BytesIO(row["audio"])), row["emotion"])
        for shard in sorted((folder / "shards").glob("*.parquet"))
        for row in pq.read_table(shard, columns=["audio", "emotion"]).to_pylist()
    ]


def read_sound(source: Path | io.BytesIO) -> NDArray[np.float32]:
    """Return float32 [n] at 16 kHz."""
    samples, _ = soundfile.read(source if isinstance(source, io.BytesIO) else str(source), dtype="float32")
    return np.asarray(samples, dtype=np.float32)


def score_sets(root: Path, names: Sequence[str], models: Sequence[Model]) -> list[list[float | None]]:
    """Return the quality of each model on each set: a list of models for each set."""
    return [[model.score(read_set(root / name)) for model in models] for name in names]


def fetch_models(url: str, run_ids: Sequence[str], place: Path) -> list[Model]:
    """Download models by their runs, in order; MLflow's own variables say who signs in."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=url, registry_uri=url)
    models = []
    for run_id in run_ids:
        folder = place / run_id
        folder.mkdir(parents=True, exist_ok=True)
        models.append(Model(Path(client.download_artifacts(run_id, "model", str(folder)))))
    return models


def main(tokens: list[str] | None = None) -> None:
    """Score a simulation that has ended, write `simulation.json` and `simulation.html`, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--task", "--mlflow"):
        parser.add_argument(name, required=True)
    for name in ("--days", "--seed"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--place", "--journal", "--sets", "--out"):
        parser.add_argument(name, type=Path, required=True)
    told = parser.parse_args(tokens)
    config, scenario = read_scenario(told.task, told.days, told.seed)
    journal = json.loads(told.journal.read_text(encoding="utf-8"))
    models = fetch_models(told.mlflow, [one["run_id"] for one in journal["models"]], told.out / "models")
    names = [one["name"] for one in journal["sets"]]
    report = build_report(
        scenario,
        config.promises,
        journal,
        score_windows(told.place, scenario.windows[1], models[0]),
        score_sets(told.sets, names, models),
        load_config(DriftPolicy, find_config("drift", told.task)).decision.price_per_gpu_hour,
    )
    write_file(told.out / "simulation.json", json.dumps(report, indent=2) + "\n")
    write_page(told.out / "simulation.html", report)
    print(summarise(report), flush=True)


if __name__ == "__main__":
    main()
