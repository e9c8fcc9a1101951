"""Is real drift found, and are other speakers of a corpus left in peace? `python -m benchmarks.real_drift --help`.

Of each corpus some speakers are the reference and others call in the window: as they are, in noise at 10 dB, through a
telephone, or speakers of another corpus call in their place. The policy is that of `configs/drift/emotion.yaml`, which
asks for a hundred speakers in a reference; no corpus here has them, and what it says is CANNOT_TELL. So its least
numbers of speakers are lowered to what there is, and the rates say what thresholds drawn from so few are worth. The
same is done with sittings of five clips drawn in place of speakers: there are hundreds of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cyclopts import App

from benchmarks.command import run_command
from benchmarks.real_drift.log_rows import CLEAN, Corpus, read_corpus
from benchmarks.real_drift.peer import HALF, ONE, ask_evidently
from benchmarks.real_drift.windows import (
    UNCHANGED,
    Cell,
    interval,
    judge,
    list_splits,
    list_windows,
    name_sittings,
    profile_reference,
    take_speakers,
)
from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.errors import InputError
from voxloop.monitoring.drift.check import CheckConfig
from voxloop.monitoring.drift.policy import DriftPolicy

SHIPPED, SPEAKERS, SITTINGS = "as shipped", "speakers drawn", "sittings drawn"
NUMBERS = "speakers drawn, without embeddings"
MOSTLY_FOUND, MOSTLY_LEFT = 0.9, 0.5
Cells = dict[tuple[str, str, str], Cell]
"""By corpus, kind of window, and what is drawn."""

app = App(name="python -m benchmarks.real_drift", help_format="plaintext")


@app.default
def measure(*corpora: str, out: Path, rows: int = 240, windows: int = 100, evidently: int = 0, seed: int = 7) -> None:
    """Count how often windows of real speech are said to have drifted.

    Args:
        corpora: Two at least, each as NAME=FOLDER, such as ravdess=data/raw/ravdess.
        out: Where what was measured of the sounds is kept, so that the next run need not, and rates.json is written.
        rows: Of a window, about; so many clips of each speaker are taken.
        windows: Of each kind, at most; a corpus of few speakers has fewer ways to part them.
        evidently: Windows of each kind that Evidently is given too; it takes about a second each.
        seed: Of the splits.
    """
    read = [read_corpus(*parse_corpus(one), out, rows=rows) for one in corpora]
    if len({corpus.name for corpus in read}) != len(read) or len(read) < 2:
        raise InputError(f"{len(read)} corpora", rule="two different ones at least", remedy="name NAME=FOLDER twice")
    cells: Cells = {}
    for corpus in read:
        others = [other for other in read if other is not corpus]
        count_corpus(corpus, others, cells, windows=windows, evidently=evidently, seed=seed)
    rates = [describe_cell(*key, cell) for key, cell in cells.items()]
    (out / "rates.json").write_text(json.dumps(rates, indent=1) + "\n", encoding="utf-8")
    print("\n".join(draw_table(rates)))
    for finding in conclude(cells):
        print(finding.as_json())


def parse_corpus(text: str) -> tuple[str, Path]:
    """Return name and folder of NAME=FOLDER."""
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise InputError(f"{text!r} names no corpus", rule="NAME=FOLDER", remedy="such as ravdess=data/raw/ravdess")
    return name, Path(folder)


def count_corpus(
    corpus: Corpus, others: Sequence[Corpus], cells: Cells, *, windows: int, evidently: int, seed: int
) -> None:
    """Count what is said of the windows of all splits of a corpus."""
    generator = np.random.default_rng([seed, len(corpus.speakers)])
    shipped = load_config(DriftPolicy, find_config("drift", "emotion")).check
    splits = list_splits(corpus.speakers, windows, generator)
    for number, split in enumerate(splits):
        print(f"{corpus.name}: split {number + 1} of {len(splits)}", file=sys.stderr, flush=True)
        before = take_speakers(corpus.sounds[CLEAN], split.reference)
        held = [(drawn, rename(before), config) for drawn, rename, config in list_ways(shipped)]
        profiles = {drawn: profile_reference(rows, config) for drawn, rows, config in held}
        for kind, window in list_windows(corpus, others, split, generator):
            for drawn, rename, config in list_ways(shipped):
                cell = cells.setdefault((corpus.name, kind, drawn), Cell())
                judge(profiles[drawn], rename(window), config, cell)
            if number < evidently:
                ask_evidently(before, window, cells[corpus.name, kind, SPEAKERS])


def list_ways(shipped: CheckConfig) -> Iterator[tuple[str, Any, CheckConfig]]:
    """Yield what is drawn, how rows are named for it, and by which numbers a window is judged."""
    lowered = shipped.model_copy(update={"least_speakers": 2, "least_reference_speakers": 2})
    yield SHIPPED, lambda rows: rows, shipped
    yield SPEAKERS, lambda rows: rows, lowered
    yield NUMBERS, lambda rows: replace(rows, embeddings=None), lowered
    yield SITTINGS, name_sittings, lowered


def describe_cell(corpus: str, kind: str, drawn: str, cell: Cell) -> dict[str, Any]:
    """Return what was counted of one kind of window, for rates.json."""
    return {
        "corpus": corpus,
        "window": kind,
        "drawn": drawn,
        "windows": cell.windows,
        "outcomes": {str(outcome): count for outcome, count in sorted(cell.outcomes.items())},
        "drifted": cell.drifted,
        "interval": interval(cell.drifted, cell.windows),
        "beyond": dict(cell.beyond.most_common()),
        "evidently": {"windows": cell.asked, **{name: cell.theirs[name] for name in (ONE, HALF)}},
    }


def draw_table(rates: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of rates, a line each, in Markdown."""
    names = ("reference", "window", "drawn", "said to have drifted", "95 %", "cannot tell", "most often beyond")
    yield f"| {' | '.join(names)} | Evidently: one column, half |"
    yield "| --- " * (len(names) + 1) + "|"
    for rate in rates:
        low, high = rate["interval"]
        columns = ", ".join(f"{name} {count}" for name, count in [*rate["beyond"].items()][:3])
        asked = rate["evidently"]
        theirs = f"{asked[ONE]}, {asked[HALF]} of {asked['windows']}" if asked["windows"] else ""
        yield (
            f"| {rate['corpus']} | {rate['window']} | {rate['drawn']} | {rate['drifted']} of {rate['windows']} "
            f"| {low:.2f} to {high:.2f} | {rate['outcomes'].get('CANNOT_TELL', 0)} | {columns} | {theirs} |"
        )


def conclude(cells: Cells) -> list[Finding]:
    """Return the worst rates with speakers drawn: the lowest of changed windows, the highest of unchanged ones."""
    drawn = {key: cell.drifted / cell.windows for key, cell in cells.items() if key[2] == SPEAKERS}
    found = min(rate for (_, kind, _), rate in drawn.items() if kind != UNCHANGED)
    wrong = max(rate for (_, kind, _), rate in drawn.items() if kind == UNCHANGED)
    return [
        Finding("real drift: changed windows found, worst kind", found, 1.0, MOSTLY_FOUND, "at least"),
        Finding("real drift: unchanged windows said to drift, worst corpus", wrong, 1.0, MOSTLY_LEFT, "at most"),
    ]


if __name__ == "__main__":
    run_command(app)
