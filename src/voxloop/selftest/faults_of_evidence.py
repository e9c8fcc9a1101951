"""Faults of the evidence: a better model, judged on too little or by other questions than are asked for.

Nothing is wrong with it but that nobody can know.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

from voxloop.selftest.bench import Bench, Pair
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.controls import better

FORGOTTEN = "forgotten"
"""Name of a frozen set that was never evaluated."""


def few_speakers(bench: Bench, folder: Path) -> Challenge:
    """One speaker fewer than the policy asks for."""
    speakers = sorted({str(row["speaker_id"]) for row, _ in bench.gate_rows})[: bench.policy.minimum_speakers - 1]
    rows = tuple(pair for pair in bench.gate_rows if pair[0]["speaker_id"] in speakers)
    return replace(better(bench, folder), rows=rows)


def few_utterances(bench: Bench, folder: Path) -> Challenge:
    """One utterance fewer than the policy asks for, of all the speakers alike."""
    return replace(better(bench, folder), rows=deal_rows(bench.gate_rows)[: bench.policy.minimum_utterances - 1])


def rare_label(bench: Bench, folder: Path) -> Challenge:
    """One utterance of the first label fewer than the policy asks for."""
    label = min(str(row["emotion"]) for row, _ in bench.gate_rows if row["emotion"] is not None)
    ordered = deal_rows(bench.gate_rows)
    rare = [pair for pair in ordered if pair[0]["emotion"] == label][: bench.policy.minimum_per_label - 1]
    others = [pair for pair in ordered if pair[0]["emotion"] != label]
    return replace(better(bench, folder), rows=(*others, *rare))


def easier_questions(bench: Bench, folder: Path) -> Challenge:
    """Nobody is asked about a quiet noise in which nobody speaks."""
    golden = bench.config.golden.model_copy(update={"silence_db": ()})
    return replace(better(bench, folder), changed={"golden": golden})


def left_out_set(bench: Bench, folder: Path) -> Challenge:
    """Nobody is asked about a frozen set that the ledger knows."""
    return replace(better(bench, folder), known_sets={FORGOTTEN: hashlib.sha256(FORGOTTEN.encode()).hexdigest()})


def deal_rows(rows: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """Return rows in turns of their speakers: the first of each, the second of each, and so on."""
    met: Counter[str] = Counter()
    ranked = []
    for place, pair in enumerate(rows):
        speaker = str(pair[0]["speaker_id"])
        ranked.append((met[speaker], place))
        met[speaker] += 1
    return tuple(rows[place] for _, place in sorted(ranked))
