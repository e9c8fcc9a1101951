"""How long a million utterances take to validate, against plain Great Expectations with the same expectations.

Both start from the same rows in memory. Ours takes the table as the shards give it, derives what rules about several
columns need, draws the profile, asks, and names the rows that break a rule. The peer is what one would write without
it: the frame as pandas makes it of that table, with the derived columns given to it for nothing, and one
`batch.validate(suite)` with the default result format. The rows hold a few faults, and both must say the same of every
expectation. Audio is not part of it: neither decodes.

What makes the difference is that repeated strings are categories, that no int32 is compared value by value, and that
no query of all failing rows is spelled. Given our frame as well, the peer takes as long as we do (1.0 to 1.1).
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import great_expectations as gx
import numpy as np
import pandas as pd
import pyarrow as pa
from great_expectations.data_context.types.base import ProgressBarsConfig

from benchmarks.report import Finding
from voxloop.adapters.expectation_run import ExpectationRun
from voxloop.adapters.great_expectations import ask_rows
from voxloop.adapters.validation_checks import check_counts, check_rows
from voxloop.adapters.validation_columns import derive_columns
from voxloop.adapters.validation_rows import StoredRows, code_repeated
from voxloop.adapters.validation_suite import SuiteConfig
from voxloop.config import find_config, load_config
from voxloop.data.profile import profile_table
from voxloop.data.schema import MANIFEST_COLUMNS, TRAITS, UTTERANCE_SCHEMA

ROWS = 1_000_000
ROUNDS = 2
TARGET = 1.1
TASK = "emotion"
_SPEAKER_ROWS = 100
_WORDS = ("the", "driver", "put", "a", "box", "beside", "lamp", "in", "our", "garden", "before", "noon")

Answers = dict[tuple[str, str | None], bool]


def measure() -> Finding:
    """Return the least seconds of each over interleaved rounds, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    config = load_config(SuiteConfig, find_config("validation", TASK))
    table = make_rows(ROWS)
    frame = make_peer_frame(table, config)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        said, seconds = _time(lambda: validate_ours(table, config))
        ours.append(seconds)
        answered, seconds = _time(lambda: validate_plainly(frame, config))
        theirs.append(seconds)
        if said != answered:
            differing = {key for key in said.keys() | answered.keys() if said.get(key) != answered.get(key)}
            raise AssertionError(f"the two disagree about {sorted(map(str, differing))}")
        if all(said.values()):
            raise AssertionError("the planted faults were not seen")
    print(f"ours {ours}, plain Great Expectations {theirs}", file=sys.stderr)
    return Finding(f"validation of {ROWS:,} rows: seconds", min(ours), min(theirs), TARGET, "at most")


def make_rows(count: int) -> pa.Table:
    """Return `count` rows of the manifest columns, as reading shards gives them, with a fault in a few."""
    draw = np.random.default_rng(20)
    row = np.arange(count)
    speaker = row // _SPEAKER_ROWS
    words = draw.integers(0, len(_WORDS), (count, 8)).tolist()
    texts = [" ".join([_WORDS[word] for word in sentence]) for sentence in words]
    samples = np.array([700 * len(text) for text in texts]) + draw.integers(0, 16_000, count)
    emotions = np.array(["anger", "fear", "happiness", "neutral", "sadness", "surprise"])[row % 6].astype(object)
    emotions[draw.integers(0, count, 5)] = "boredom"
    moments = datetime(2026, 1, 5, tzinfo=UTC)
    columns = {
        "utterance_id": [f"speaker-{one:06d}-{number:04d}" for one, number in zip(speaker, row % 100, strict=True)],
        "sample_rate": np.full(count, 16_000, dtype=np.int32),
        "num_samples": samples,
        "duration_s": samples / 16_000,
        "loudness_dbfs": draw.normal(-23.0, 4.0, count),
        "sha256": [f"{number:064x}" for number in row],
        "speaker_id": [f"speaker-{one:06d}" for one in speaker],
        "session_id": [f"speaker-{one:06d}-s{number}" for one, number in zip(speaker, row % 100 // 50, strict=True)],
        "recorded_at": [moments + timedelta(seconds=10 * int(number)) for number in row % _SPEAKER_ROWS],
        "language": ["en"] * count,
        "text": texts,
        "emotion": emotions,
        **{trait: draw.normal(0.0, 1.0, count) for trait in TRAITS},
        "gender": np.where(speaker % 2, "female", "male"),
        "age": (20 + speaker % 50).astype(np.int32),
        "device": np.where(speaker % 3, "phone", "headset"),
        "source": ["benchmark"] * count,
        "licence": ["CC0-1.0"] * count,
        "split": np.array(["train", "train", "train", "dev", "test"])[speaker % 5],
    }
    return pa.table({name: pa.array(columns[name], UTTERANCE_SCHEMA.field(name).type) for name in MANIFEST_COLUMNS})


def validate_ours(table: pa.Table, config: SuiteConfig) -> Answers:
    """Go the way of `voxloop validate` from the columns of the shards to findings."""
    stored = StoredRows((), code_repeated(table), {})
    profile = profile_table(stored.table)
    derived = derive_columns(stored.table, config, None, normalised=True)
    run = ExpectationRun(TASK, config.failing_rows)
    asked = ask_rows(run, stored, derived, config, (profile, None))
    return {(one.check, one.column): bool(one.success) for one in asked.found}


def make_peer_frame(table: pa.Table, config: SuiteConfig) -> pd.DataFrame:
    """Return the frame pandas makes of the table, the derived columns joined on."""
    frame: pd.DataFrame = table.to_pandas()
    derived = derive_columns(table, config, None, normalised=True)
    for name in derived.columns.difference(frame.columns):
        column = derived[name]
        frame[name] = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    return frame


def validate_plainly(frame: pd.DataFrame, config: SuiteConfig) -> Answers:
    """Hold the frame against the same expectations, with nothing but Great Expectations."""
    checks = [*check_counts(config), *check_rows(config, frame.columns, ["benchmark"])]
    for number, check in enumerate(checks):
        check.expectation.meta = {"number": number}  # the answers come in another order
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("utterances")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    suite = gx.ExpectationSuite("plain", expectations=[check.expectation for check in checks])
    answers: Answers = {}
    for result in batch.validate(suite).results:
        assert result.expectation_config is not None
        check = checks[(result.expectation_config.meta or {})["number"]]
        answers[check.says, check.column] = bool(result.success)
    return answers


def _time(work: Callable[[], Answers]) -> tuple[Answers, float]:
    gc.collect()
    started = time.perf_counter()
    answers = work()
    return answers, time.perf_counter() - started


if __name__ == "__main__":
    print(measure().as_json())
