"""Faults of what a model was taught: labels that mean nothing, and speakers it is going to be judged on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from voxloop.config import find_config, load_config
from voxloop.data.leakage import LeakageConfig, search_dataset
from voxloop.data.manifest import load_manifest, write_manifest
from voxloop.data.schema import TRAITS
from voxloop.data.shards import ShardWriter
from voxloop.selftest.bench import Bench, train_model
from voxloop.selftest.challenge import Challenge, DataAnswer, Objection
from voxloop.verdict import Verdict

Rows = list[dict[str, Any]]
SHARD_BYTES = 2**28
LABELS = {"asr": ("text",), "emotion": ("emotion",), "personality": TRAITS}


def shuffled_labels(bench: Bench, folder: Path) -> Challenge:
    """Trained on rows whose labels were dealt out anew."""
    dataset = rewrite_dataset(bench.dataset, folder / "dataset", lambda rows: shuffle_labels(bench, rows))
    overrides = (*bench.config.overrides, *bench.config.mistaught)
    return Challenge(train_model(bench, dataset, folder / "model", overrides), bench.model, bench.gate_rows)


def trained_on_evaluation(bench: Bench, folder: Path) -> DataAnswer:
    """The rows a model is to be judged on are among those it would learn from.

    No figure of such a model gives it away: it is simply good there. What stops it is the judge of the data, before
    anything is trained: its verdict is one of the three that `accept` takes together, and one FAIL is FAIL.
    """
    dataset = rewrite_dataset(bench.dataset, folder / "dataset", lambda rows: rows + _as_training(rows))
    config = load_config(LeakageConfig, find_config("leakage", bench.task))
    report = search_dataset(dataset, [], bench.task, config)
    objections = tuple(
        Objection("leakage", one.kind, one.side, Verdict.FAIL if one.blocks else Verdict.PASS, one.line().strip())
        for one in report.findings
    )
    return DataAnswer(report.verdict, objections)


def rewrite_dataset(source: Path, folder: Path, change: Callable[[Rows], Rows]) -> Path:
    """Write a dataset with the rows of another one, changed, and return it."""
    folder.mkdir(parents=True)
    manifest = load_manifest(source)
    rows = [row for entry in manifest.shards for row in pq.read_table(source / entry.path).to_pylist()]
    with ShardWriter(folder, shard_bytes=SHARD_BYTES) as writer:
        for row in change(rows):
            writer.write(row)
    write_manifest(manifest.model_copy(update={"shards": tuple(writer.entries)}), folder)
    return folder


def shuffle_labels(bench: Bench, rows: Rows) -> Rows:
    """Return rows of which those to learn from have labels of one another.

    Transcripts are exchanged by rows that are near in duration: one that is too long for its sound would be refused.
    Personality is of speakers, and so speakers exchange theirs.
    """
    columns, draw = LABELS[bench.task], bench.draw("shuffled labels")
    taught = [row for row in rows if row["split"] != "test" and row[columns[0]] is not None]
    if bench.task == "asr":
        taught.sort(key=lambda row: float(row["duration_s"]))
        donors = _swap_neighbours(taught)
    elif bench.task == "personality":
        names = sorted({row["speaker_id"] for row in taught})
        first = {row["speaker_id"]: row for row in taught}
        other = dict(zip(names, draw.permutation(names).tolist(), strict=True))
        donors = [first[other[row["speaker_id"]]] for row in taught]
    else:
        donors = [taught[place] for place in draw.permutation(len(taught)).tolist()]
    dealt = {
        row["utterance_id"]: {name: donor[name] for name in columns} for row, donor in zip(taught, donors, strict=True)
    }
    return [{**row, **dealt.get(row["utterance_id"], {})} for row in rows]


def _swap_neighbours(rows: Rows) -> Rows:
    order = np.arange(len(rows))
    pairs = len(rows) // 2 * 2
    order[:pairs] = order[:pairs].reshape(-1, 2)[:, ::-1].ravel()
    return [rows[place] for place in order.tolist()]


def _as_training(rows: Rows) -> Rows:
    return [{**row, "split": "train"} for row in rows if row["split"] == "test"]
