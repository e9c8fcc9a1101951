"""What the judge measures; loads no network and no task, as the judge itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]
Measures = dict[str, float]


def choose_measure(rows: list[dict[str, Any]]) -> tuple[Callable[[Rows], Measures], list[dict[str, Any]]]:
    """Return how rows of this kind are measured, and the rows prepared for it."""
    kind = next(iter(rows[0]["wanted"]))
    if kind == "text":
        return error_rates, [
            {**row, "counts": count_errors(row["wanted"]["text"], row["found"]["text"])} for row in rows
        ]
    if kind == "emotion":
        labels = sorted({row["wanted"]["emotion"] for row in rows})
        return lambda some: recalls(some, labels), rows
    return agreements, average_speakers(rows)


def count_errors(wanted: str, found: str) -> tuple[int, ...]:
    """Return word errors, words, character errors and characters of one utterance, as jiwer counts them."""
    import jiwer  # noqa: PLC0415 - recognition alone needs it

    words, characters = jiwer.process_words(wanted, found), jiwer.process_characters(wanted, found)
    counts: list[int] = []
    for part in (words, characters):
        missed = part.substitutions + part.deletions
        counts += [missed + part.insertions, missed + part.hits]
    return tuple(counts)


def error_rates(rows: Rows) -> Measures:
    """Word and character error rate: errors of all rows over words and characters of all."""
    word_errors, words, errors, characters = np.sum([row["counts"] for row in rows], axis=0).tolist()
    return {"wer": word_errors / words, "cer": errors / characters}


def recalls(rows: Rows, labels: Sequence[str]) -> Measures:
    """Unweighted average recall and mean F1 over those of the labels that the rows have; accuracy."""
    wanted = np.array([row["wanted"]["emotion"] for row in rows])
    found = np.array([row["found"]["emotion"] for row in rows])
    asked, given, hits = (
        np.array([float(mask.sum()) for mask in masks])
        for masks in (
            [wanted == label for label in labels],
            [found == label for label in labels],
            [(wanted == label) & (found == label) for label in labels],
        )
    )
    here = asked > 0
    return {
        "uar": float(np.mean(hits[here] / asked[here])),
        "wa": float(hits.sum() / len(rows)),
        "macro_f1": float(np.mean(2 * hits[here] / (asked + given)[here])),
    }


def average_speakers(rows: Rows) -> list[dict[str, Any]]:
    """Return a row a speaker (of a fold), with the mean of references and of answers over their utterances."""
    of_speaker: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        of_speaker.setdefault((row["fold"], row["speaker_id"]), []).append(row)
    return [
        {
            "speaker_id": speaker,
            "fold": fold,
            **{side: _mean_traits([row[side] for row in some]) for side in ("wanted", "found")},
        }
        for (fold, speaker), some in of_speaker.items()
    ]


def _mean_traits(some: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {name: float(np.mean([row["traits"][name] for row in some])) for name in some[0]["traits"]}


def agreements(rows: Rows) -> Measures:
    """CCC (Lin 1989), Pearson's r and mean absolute error of each trait, and their means; r of a constant is 0."""
    measures: Measures = {}
    names = list(rows[0]["wanted"])
    for name in names:
        wanted, found = (np.array([row[side][name] for row in rows]) for side in ("wanted", "found"))
        covariance = float(np.mean((wanted - wanted.mean()) * (found - found.mean())))
        spread = float(wanted.std() * found.std())
        below = float(wanted.var() + found.var() + (wanted.mean() - found.mean()) ** 2)
        measures[f"ccc_{name}"] = 2.0 * covariance / below if below > 0 else math.nan
        measures[f"r_{name}"] = covariance / spread if spread > 1e-12 else 0.0
        measures[f"mae_{name}"] = float(np.mean(np.abs(wanted - found)))
    means = {kind: float(np.mean([measures[f"{kind}_{name}"] for name in names])) for kind in ("ccc", "r", "mae")}
    return {**means, **measures}
