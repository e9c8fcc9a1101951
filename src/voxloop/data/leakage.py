"""The leakage gate: nothing that a model is judged on may be among what it learns from.

Training is the split `train` of a dataset; the evaluation is its splits `dev` and `test` and every frozen set of the
task. Speakers, sessions, utterances and recordings on both sides always block, copies under other names too. Whoever
cannot compare something says so: a clean report means that everything was compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import Field

from voxloop.config import StrictModel, resolved
from voxloop.data.evaluation_sets import EvaluationSet
from voxloop.data.leak_index import EvaluationIndex, Hit, Tally
from voxloop.data.leak_rows import LeakRow, RowReader
from voxloop.data.leak_sides import Side, read_set, read_splits
from voxloop.data.leak_sounds import MatchConfig
from voxloop.data.leakage_report import KINDS, Kind, LeakageReport, LeakFinding, SideSummary, judge
from voxloop.data.manifest import load_manifest
from voxloop.data.text import NORMALISER_VERSION
from voxloop.speech.fingerprint import FINGERPRINT_VERSION

RECORDED_AGAIN: tuple[Kind, ...] = ("utterance", "exact", "near")
"""What makes a training utterance one of the evaluation's own."""

_LISTED_DOUBTS = 20


class LeakageConfig(StrictModel):
    """One file of `configs/leakage`.

    Args:
        sentence_blocks: Whether a sentence on both sides forbids training, where texts are not parallel.
        listed_pairs: Examples named for each kind and side.
        fingerprint: When two sounds are one recording.
    """

    sentence_blocks: bool
    listed_pairs: int = Field(ge=1)
    fingerprint: MatchConfig


def search_dataset(dataset: Path, sets: Sequence[EvaluationSet], task: str, config: LeakageConfig) -> LeakageReport:
    """Look for the evaluation among the training split of a dataset.

    Args:
        dataset: Folder written by ingest.
        sets: The frozen evaluation sets of the task; each is verified first.
        task: What will be trained, for the report.
        config: What blocks, and when two sounds are one.

    Raises:
        InputError: `dataset` is no dataset folder.
        IntegrityError: A shard or a frozen set was changed.
    """
    reader = RowReader(remember=True)
    parallel = load_manifest(dataset).parallel_texts
    sides = [*read_splits(reader, dataset, ("dev", "test")), *(read_set(reader, one) for one in sets)]
    return search(RowReader().read(dataset, ["train"]), sides, task, config, parallel_texts=parallel)


def search(
    training: Iterable[LeakRow], sides: Sequence[Side], task: str, config: LeakageConfig, *, parallel_texts: bool
) -> LeakageReport:
    """Compare training utterances, read once and not kept, with every side.

    Args:
        training: The utterances a model will learn from.
        sides: What it will be judged on.
        task: What will be trained, for the report.
        config: What blocks, and when two sounds are one.
        parallel_texts: Whether the training speakers all read the same sentences.
    """
    index = EvaluationIndex([(side.name, row) for side in sides for row in side.rows], config.fingerprint)
    tallies: dict[tuple[Kind, str], Tally] = {}
    frozen = {side.name for side in sides if side.digest}
    utterances, too_short, unreadable = 0, 0, []
    for row in training:
        utterances += 1
        too_short += _is_too_short(row, config)
        unreadable += [f"training utterance {row.utterance_id}: {row.unreadable}"] if row.unreadable else []
        for hit in index.find(row):
            _count(tallies, row, hit, index, frozen, config)
    parallel = {side.name for side in sides if side.parallel_texts and parallel_texts}
    findings = _order(tallies, sides, blocking=_blocking(config), parallel=parallel)
    doubts = _doubts(utterances, sides, unreadable)
    return LeakageReport(
        verdict=judge(findings, doubts),
        task=task,
        train_utterances=utterances,
        train_too_short=too_short,
        sides=tuple(_summarise(side, config) for side in sides),
        findings=findings,
        doubts=doubts,
        config=resolved(config),
        fingerprint_version=FINGERPRINT_VERSION,
        normaliser_version=NORMALISER_VERSION,
    )


def _count(
    tallies: dict[tuple[Kind, str], Tally],
    row: LeakRow,
    hit: Hit,
    index: EvaluationIndex,
    frozen: set[str],
    config: LeakageConfig,
) -> None:
    for side, places in hit.places.items():
        kinds: list[Kind] = [hit.kind]
        if side in frozen and hit.kind in RECORDED_AGAIN:
            kinds.append("entered training")
        for kind in kinds:
            tally = tallies.setdefault((kind, side), Tally(config.listed_pairs))
            tally.add(row.utterance_id, hit, places, index.names)


def _blocking(config: LeakageConfig) -> set[Kind]:
    return {kind for kind in KINDS if kind != "sentence" or config.sentence_blocks}


def _order(
    tallies: dict[tuple[Kind, str], Tally], sides: Sequence[Side], *, blocking: set[Kind], parallel: set[str]
) -> tuple[LeakFinding, ...]:
    """Return the tallies as findings, what blocks first, then by kind and side."""
    found = [
        LeakFinding(
            kind=kind,
            side=side.name,
            blocks=kind in blocking and not (kind == "sentence" and side.name in parallel),
            train_utterances=tally.train,
            evaluation_utterances=len(tally.evaluation),
            values=len(tally.evaluation) if kind == "entered training" else len(tally.values),
            pairs=tuple(tally.pairs),
        )
        for kind in KINDS
        for side in sides
        if (tally := tallies.get((kind, side.name))) is not None
    ]
    return tuple(sorted(found, key=lambda finding: not finding.blocks))


def _doubts(utterances: int, sides: Sequence[Side], unreadable: list[str]) -> tuple[str, ...]:
    """Return why nothing can be told: a side is missing, or a sound was not compared."""
    doubts = [] if utterances else ["there is no training utterance"]
    doubts += [f"there is no utterance in {side.name}" for side in sides if not side.rows and not side.emptied]
    doubts += [] if sides else ["there is nothing to compare training with"]
    unread = [
        f"{side.name} utterance {row.utterance_id}: {row.unreadable}"
        for side in sides
        for row in side.rows
        if row.unreadable
    ]
    unread += unreadable
    doubts += unread[:_LISTED_DOUBTS]
    if len(unread) > _LISTED_DOUBTS:
        doubts.append(f"and {len(unread) - _LISTED_DOUBTS} more sounds that cannot be read")
    return tuple(doubts)


def _is_too_short(row: LeakRow, config: LeakageConfig) -> bool:
    return row.sound is not None and row.sound.fingerprint.loud_frames < config.fingerprint.least_frames


def _summarise(side: Side, config: LeakageConfig) -> SideSummary:
    short = sum(_is_too_short(row, config) for row in side.rows)
    return SideSummary(name=side.name, digest=side.digest, utterances=len(side.rows), too_short=short)
