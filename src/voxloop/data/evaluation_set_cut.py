"""Cut a frozen evaluation set out of new data, before anything is trained on them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - as the record calls it
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.data.evaluation_set_files import digest_rows, make_read_only, read_measures, write_rows
from voxloop.data.evaluation_set_manifest import count_rows
from voxloop.data.evaluation_sets import EvaluationSet, list_set, verify_evaluation_set, write_record
from voxloop.data.leak_rows import RowReader
from voxloop.data.leak_sides import read_splits
from voxloop.data.leakage import LeakageConfig, search
from voxloop.data.leakage_report import LeakageReport
from voxloop.data.manifest import load_manifest, write_manifest
from voxloop.data.schema import TRAITS
from voxloop.data.shards import ShardWriter, read_manifest, write_measures
from voxloop.errors import InputError, IntegrityError, RefusedError
from voxloop.store.atomic import build_folder
from voxloop.store.digests import digest_file, digest_json
from voxloop.store.lock import hold_lock

ROWS_AT_A_TIME = 64
SHARD_BYTES = 256 * 2**20
DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

HeldOut = Literal["dev", "test"]


@dataclass(frozen=True)
class Cut:
    """What to cut.

    Args:
        dataset: Folder written by ingest.
        domain: Where its speech is from: lower-case letters, digits and hyphens.
        date: Day of the cut.
        task: Family that will be judged on it.
        split: `test`, or `dev` for a development set whose looks are free.
        trained: Datasets that models were trained on before; their training split is compared too.
    """

    dataset: Path
    domain: str
    date: Date
    task: str
    split: HeldOut
    trained: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Name of the set."""
        return f"{self.domain}-{self.date}{'-dev' if self.split == 'dev' else ''}"


def cut_evaluation_set(cut: Cut, root: Path, config: LeakageConfig) -> EvaluationSet:
    """Freeze a split of a dataset as `<root>/<task>/<name>/`.

    Which split a speaker is in depends on the speaker alone, so no training on these data will ever contain them.

    Args:
        cut: What to cut.
        root: `settings.evaluation_sets`.
        config: What counts as a leak.

    Returns:
        The set; the one that is there when it has the same content.

    Raises:
        InputError: The split is empty, or the domain is no name.
        RefusedError: A speaker, session or recording of it is known to training, or could not be compared; or there is
            a set of this name with other content.
        IntegrityError: The dataset, or the set that is there, was changed.
    """
    _check(cut)
    place = root / cut.task / cut.name
    with hold_lock(root / f".{cut.task}.lock"):
        if place.exists():
            same = _same_or_refused(cut, place)
            list_set(place)
            return same
        _refuse_known(cut, _search_training(cut, config))
        with build_folder(place) as folder:
            _write_set(cut, folder)
        list_set(place)
        return verify_evaluation_set(place)


def _check(cut: Cut) -> None:
    if not load_manifest(cut.dataset).splits[cut.split].utterances:
        raise InputError(
            f"{cut.dataset} has no utterance in its split {cut.split}",
            rule="an evaluation set is not empty",
            remedy="take more speakers, or cut another split",
        )
    _require_labels(cut)
    for folder in cut.trained:
        load_manifest(folder)
    if not DOMAIN.fullmatch(cut.domain):
        raise InputError(
            f"{cut.domain!r} is no name of a domain",
            rule="lower-case letters, digits and hyphens",
            remedy="name it such as home-accents",
        )


def _require_labels(cut: Cut) -> None:
    """Raise `InputError` unless the split has something that its task is judged by: a set is never taken away."""
    wanted = {"asr": ("text",), "emotion": ("emotion",), "personality": TRAITS}.get(cut.task)
    if wanted is None:
        return
    rows = read_manifest(cut.dataset, wanted, cut.split)
    if all(rows[name].null_count == rows.num_rows for name in wanted):
        raise InputError(
            f"{cut.dataset} has no {' and no '.join(wanted)} in its split {cut.split}",
            rule=f"a set of the task {cut.task} is judged by it",
            remedy="name the --task this corpus has labels for: `voxloop corpora` lists them",
        )


def _same_or_refused(cut: Cut, place: Path) -> EvaluationSet:
    there = verify_evaluation_set(place)
    if digest_json(digest_rows(cut.dataset, cut.split)) == there.rows_digest:
        return there
    raise RefusedError(
        f"evaluation set {there.task}/{there.name} is there with other content",
        rule="a frozen set is never changed",
        remedy="cut it under another domain or date",
    )


def _search_training(cut: Cut, config: LeakageConfig) -> LeakageReport:
    """Look for what is to be frozen among all that was, or may be, trained on."""
    reader = RowReader(remember=True)
    sides = read_splits(reader, cut.dataset, (cut.split,))
    known = [RowReader().read(folder, ["train"]) for folder in (cut.dataset, *cut.trained)]
    parallel = all(load_manifest(folder).parallel_texts for folder in (cut.dataset, *cut.trained))
    return search(chain.from_iterable(known), sides, cut.task, config, parallel_texts=parallel)


def _refuse_known(cut: Cut, report: LeakageReport) -> None:
    # A sentence in training may be an accident of the language; the gate judges it for the task.
    blocking = [finding for finding in report.blocking if finding.kind != "sentence"]
    # A dataset without training rows has nothing to compare with, and nothing to leak.
    doubts = [doubt for doubt in report.doubts if report.train_utterances or "no training utterance" not in doubt]
    if not blocking and not doubts:
        return
    lines = [finding.line().strip() for finding in blocking] + doubts
    raise RefusedError(
        f"{cut.task}/{cut.name} is not cut: {lines[0]}{f' (and {len(lines) - 1} more)' if len(lines) > 1 else ''}",
        rule="nothing of an evaluation set may be known to training",
        remedy="`voxloop leakage` lists all of it; correct the corpus or take other speakers",
    )


def _write_set(cut: Cut, folder: Path) -> None:
    rows = sorted(_iter_rows(cut), key=lambda row: str(row["utterance_id"]))
    with ShardWriter(folder, shard_bytes=SHARD_BYTES) as writer:
        for row in rows:
            writer.write(row)
    measures = read_measures(cut.dataset)
    write_measures(
        {row["utterance_id"]: measures[row["utterance_id"]] for row in rows if row["utterance_id"] in measures}, folder
    )
    write_manifest(count_rows(load_manifest(cut.dataset), rows, writer.entries), folder)
    write_rows(folder, digest_rows(folder))
    blank = EvaluationSet(
        name=cut.name,
        task=cut.task,
        domain=cut.domain,
        date=cut.date,
        by="speaker",
        split=cut.split,
        looks="free" if cut.split == "dev" else "counted",
        corpus=load_manifest(cut.dataset).corpus,
        rows=0,
        speakers=0,
        rows_digest="",
        files={},
    )
    write_record(blank.describe(folder), folder)
    make_read_only(folder)


def _iter_rows(cut: Cut) -> Iterator[dict[str, Any]]:
    """Yield the rows to freeze, with their audio.

    Raises:
        IntegrityError: A shard is not the one the manifest has the digest of.
    """
    for entry in load_manifest(cut.dataset).shards:
        path = cut.dataset / entry.path
        if not path.is_file() or digest_file(path) != entry.sha256:
            raise IntegrityError(f"{path} was changed or is missing", remedy="run `voxloop ingest` again")
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME):
                yield from batch.filter(pc.equal(batch["split"], cut.split)).to_pylist()
