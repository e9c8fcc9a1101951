"""The judge: `python -m benchmarks.quality.score ANSWERS REFERENCES` sees two files of JSON lines and nothing else.

A program of its own, which loads no network and no task. A row of either file has `utterance_id` and `speaker_id`,
perhaps `fold`, and `answer` or `reference`: `{"text": …}` (WER and CER, by jiwer), `{"emotion": …}` (UAR, WA, macro F1)
or `{"traits": {name: score}}` (CCC, r, MAE over speakers, answers and references averaged over a speaker's utterances).
It prints one JSON object: measures over all rows, of each fold, their mean over folds, and intervals at 95 %.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from benchmarks.quality.score_measures import Measures, Rows, choose_measure

LEVEL = 0.95


def main(arguments: Sequence[str]) -> int:
    """Print the score of two files."""
    if len(arguments) != 2:
        print("usage: python -m benchmarks.quality.score ANSWERS REFERENCES", file=sys.stderr)
        return 2
    print(json.dumps(score(*(read_lines(Path(name)) for name in arguments))))
    return 0


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def score(answers: Rows, references: Rows) -> dict[str, Any]:
    """Score answers against references.

    Raises:
        ValueError: The two are not about the same utterances, once each, or one has no answer.
    """
    rows = join(answers, references)
    measure, rows = choose_measure(rows)
    folds = sorted({row["fold"] for row in rows})
    of_fold = {fold: measure([row for row in rows if row["fold"] == fold]) for fold in folds}
    return {
        "utterances": len(references),
        "speakers": len({row["speaker_id"] for row in rows}),
        "all": over_speakers(rows, measure),
        "folds": {fold: {name: _plain(value) for name, value in found.items()} for fold, found in of_fold.items()},
        "mean_of_folds": over_folds(list(of_fold.values())),
    }


def join(answers: Rows, references: Rows) -> list[dict[str, Any]]:
    """Return reference and answer of each utterance; raises as `score`."""
    found = {row["utterance_id"]: row["answer"] for row in answers}
    wanted = {row["utterance_id"] for row in references}
    if len(found) != len(answers) or len(wanted) != len(references):
        raise ValueError("an utterance is answered, or asked for, twice")
    if wanted != found.keys():
        odd = sorted(wanted ^ found.keys())
        raise ValueError(f"answers and references differ in {len(odd)} utterances, such as {odd[0]}")
    if not wanted:
        raise ValueError("there is nothing to score")
    return [
        {
            "speaker_id": row["speaker_id"],
            "fold": str(row.get("fold", "")),
            "wanted": row["reference"],
            "found": found[row["utterance_id"]],
        }
        for row in references
    ]


def over_speakers(rows: Rows, measure: Callable[[Rows], Measures]) -> dict[str, dict[str, Any]]:
    """Return each measure over all rows with its interval for further speakers: delete-one-speaker jackknife-t.

    Cameron and Miller 2015, "A practitioner's guide to cluster-robust inference", section VI.B (CV3).
    """
    whole = measure(rows)
    speakers = sorted({row["speaker_id"] for row in rows})
    count = len(speakers)
    if count < 3:
        return {name: _interval(value, math.nan, count, "speakers") for name, value in whole.items()}
    without = [measure([row for row in rows if row["speaker_id"] != speaker]) for speaker in speakers]
    errors = {
        name: math.sqrt((count - 1) / count * sum((part[name] - value) ** 2 for part in without))
        for name, value in whole.items()
    }
    return {name: _interval(value, errors[name], count, "speakers") for name, value in whole.items()}


def over_folds(found: Sequence[Measures]) -> dict[str, dict[str, Any]]:
    """Return the mean of each measure over folds with its t interval; folds share training rows, so it is narrow."""
    count = len(found)
    means = {name: float(np.mean([fold[name] for fold in found])) for name in found[0]}
    return {
        name: _interval(
            mean,
            float(np.std([fold[name] for fold in found], ddof=1)) / math.sqrt(count) if count > 1 else math.nan,
            count,
            "folds",
        )
        for name, mean in means.items()
    }


def _interval(value: float, error: float, count: int, over: str) -> dict[str, Any]:
    reach = float(special.stdtrit(count - 1, (1 + LEVEL) / 2)) * error if count > 1 else math.nan
    return {
        "value": _plain(value),
        "low": _plain(value - reach),
        "high": _plain(value + reach),
        "over": over,
        "count": count,
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
