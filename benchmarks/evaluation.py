"""An exported model scored by voxloop against a bare ONNX Runtime loop over the same sound.

Ours goes from rows with their sound to the table of answers that a gate reads: references, requests, batches of like
lengths, ONNX Runtime, the checks of its numbers, the family's `decode`, a row for each answer. The peer is the loop one
writes without any of it: sort by length, pad with zeros, run, read the answer; it keeps a list. It is given the number
of utterances a call at which it is fastest; ours has that of `configs/evaluation`.

The networks are those of the configurations `small` of `emotion` and `asr`, their weights random, which changes nothing
about the time; the sound is of the speaker world. Both on one thread of one core, in turns, in processor seconds; the
answers must be the same, to the last bit where both call the graph with the same rows.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.schema import make_row
from voxloop.evaluation.answers import CHALLENGER
from voxloop.evaluation.exported_model import ExportedModel
from voxloop.evaluation.scoring import Scoring, ScoringConfig
from voxloop.speech.waveform import SAMPLE_RATE, Waveform, decode_flac
from voxloop.tasks import Answer, get_task
from voxloop.training.export import Answering, write_graph

UTTERANCES = 96
BATCHES = (1, 2, 4, 8, 16, 32)
ROUNDS = 7
TARGET = 1.15

Pair = tuple[dict[str, Any], Waveform]
Outputs = Sequence[npt.NDArray[Any]]


def measure() -> list[Finding]:
    """Return processor milliseconds an utterance of each, for both families."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    pairs = speak_utterances()
    with tempfile.TemporaryDirectory() as folder:
        return [compare(write_model(task, pairs, Path(folder) / task), pairs) for task in ("emotion", "asr")]


def compare(folder: Path, pairs: Sequence[Pair]) -> Finding:
    """Return the best of some rounds of each, for one model.

    Raises:
        AssertionError: The two give different answers.
    """
    model, loop = ExportedModel(folder, threads=1), BareLoop(folder)
    task = model.task.NAME
    config = load_config(ScoringConfig, find_config("evaluation", task), ("threads=1",))
    said = [json.loads(answer) for answer in score(model, pairs, config)]
    assert said == loop.run(pairs, config.batch), f"{task}: the two differ"
    fastest = min(BATCHES, key=lambda batch: min(_time(lambda: loop.run(pairs, batch)) for _ in range(3)))
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_time(lambda: score(model, pairs, config)))
        theirs.append(_time(lambda: loop.run(pairs, fastest)))
    print(f"{task}: ours {config.batch} a call {ours}, loop {fastest} a call {theirs}", file=sys.stderr)
    each = 1e3 / len(pairs)
    return Finding(
        f"evaluation, {task} small: ms an utterance", min(ours) * each, min(theirs) * each, TARGET, "at most"
    )


class BareLoop:
    """The loop one writes: `answers` of the graph over sorted, padded sound."""

    def __init__(self, folder: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        graph = str(folder / "model.onnx")
        self.session = ort.InferenceSession(graph, sess_options=options, providers=["CPUExecutionProvider"])
        record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.labels = np.array(record["labels"])
        self.read = self.read_labels if record["task"] == "emotion" else self.read_text

    def run(self, pairs: Sequence[Pair], batch: int) -> list[Answer]:
        """Return the answer to each utterance, in order."""
        sounds = [sound for _, sound in pairs]
        lengths = np.array([len(sound) for sound in sounds])
        answers: list[Answer] = [{} for _ in sounds]
        order = np.argsort(lengths, kind="stable")
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            waveform = np.zeros((len(chosen), lengths[chosen].max()), dtype=np.float32)
            for place, index in enumerate(chosen):
                waveform[place, : lengths[index]] = sounds[index]
            outputs = self.session.run(None, {"waveform": waveform, "num_samples": lengths[chosen]})
            for place, index in enumerate(chosen):
                answers[index] = self.read([output[place] for output in outputs])
        return answers

    def read_labels(self, outputs: Outputs) -> Answer:
        """Return the likeliest label, and how likely each is, of probabilities [labels]."""
        (probabilities,) = outputs
        each = dict(zip(self.labels.tolist(), probabilities.tolist(), strict=True))
        return {"emotion": str(self.labels[probabilities.argmax()]), "probabilities": each}

    def read_text(self, outputs: Outputs) -> Answer:
        """Return the likeliest path's text, and how likely its frames are, of log-probabilities [frames, symbols]."""
        log_probs, count = outputs
        log_probs = log_probs[:count]
        path = log_probs.argmax(axis=1)
        new = np.append(True, path[1:] != path[:-1]) & (path != 0)
        text = " ".join("".join(self.labels[path[new]]).split())
        return {"text": text, "confidence": float(np.exp(log_probs.max(axis=1).mean()))}


def score(model: ExportedModel, pairs: Sequence[Pair], config: ScoringConfig) -> list[str]:
    """Return the answers as voxloop's table of them holds them: JSON, in the order of the rows."""
    answers: list[str] = Scoring({CHALLENGER: model}, config).score("test", pairs).table["answer"].to_pylist()
    return answers


def speak_utterances() -> list[Pair]:
    """Return manifest rows and their sound."""
    reader = find_corpus("world")
    candidates = reader.list_candidates(load_config(reader.config_model, find_config("corpora", "world")), None)
    spoken = [one.load() for one in candidates[:: len(candidates) // UTTERANCES][:UTTERANCES]]
    rows = [make_row(one, "test") for one in spoken]
    return [({**row, "audio": None}, decode_flac(row["audio"])) for row in rows]


def write_model(task: str, pairs: Sequence[Pair], folder: Path) -> Path:
    """Write a model folder with the graph of an untrained network, as far as scoring reads it."""
    torch.manual_seed(0)
    family = get_task(task)
    config = load_config(family.Config, find_config("tasks", task, "small"))
    encoding = family.learn_encoding([row for row, _ in pairs], config)
    request = family.request(encoding)
    golden = list(family.golden_inputs(encoding, (1.0, 2.5)))
    folder.mkdir()
    network = Answering(family.build_network(config, encoding), family).eval()
    write_graph(network, request, golden, folder / "model.onnx", opset=18)
    record = {"schema_version": 2, "task": task, "labels": encoding.labels, "sample_rate": SAMPLE_RATE}
    record |= {"request": request.as_json(), "encoding": encoding.model_dump(mode="json")}
    (folder / "model.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def _time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    for finding in measure():
        print(finding.as_json())
