"""From candidates to a dataset folder: shards, quarantine, manifest, report. Every candidate is counted somewhere.

But for those that came after the moment a dataset is asked for: it is what it would have been then, byte for byte, so
how many came later is told and not kept.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.data.candidate_rows import Loaded, Refusal, load_row
from voxloop.data.corpora.reader import Candidate, CorpusConfig, CorpusReader
from voxloop.data.decoding_pool import Death, DecodingPool, WorkerLimits
from voxloop.data.manifest import Manifest, write_manifest
from voxloop.data.recording_bound import part_at
from voxloop.data.schema import QUARANTINE_SCHEMA, SCHEMA_VERSION
from voxloop.data.shards import ShardWriter, write_measures
from voxloop.data.tally import DatasetTally
from voxloop.data.text import NORMALISER_VERSION
from voxloop.errors import CorpusError

QUARANTINE_NAME = "quarantine.parquet"

_PRELOAD = ("__main__", "voxloop.data.candidate_rows", "voxloop.data.corpora.clips", "voxloop.data.corpora.world")
_PROGRESS_STEPS = 5
_PROGRESS_SECONDS = 30.0


class _Book:
    """Where every candidate ends up: a row, the quarantine, left out or withheld."""

    def __init__(self, corpus: str, config: CorpusConfig, erased: Container[str]) -> None:
        self.corpus = corpus
        self.tally = DatasetTally()
        self.refusals: list[Refusal] = []
        self.measures: dict[str, dict[str, float]] = {}
        self.left_out = 0
        self.withheld = 0
        self._erased = erased
        self._config = config
        self._wanted: dict[int, frozenset[str]] = {}
        self._path_of: dict[str, str] = {}

    def takes(self, speaker_id: str | None, candidate: Candidate) -> bool:
        """Return whether this speaker's utterances are wanted; otherwise count one of them.

        A file nobody is known to have spoken goes on: what it holds, or that it is refused, is found out by loading.
        """
        config = candidate.config or self._config
        wanted = self._wanted.setdefault(id(config), frozenset(config.speakers))
        if speaker_id is not None and wanted and speaker_id not in wanted:
            self.left_out += 1
            return False
        if speaker_id is not None and speaker_id in self._erased:
            self.withheld += 1
            return False
        return True

    def enter(self, candidate: Candidate, outcome: Loaded | Refusal | Death, writer: ShardWriter) -> None:
        """Write what came of a candidate, and count it."""
        if isinstance(outcome, Death):
            outcome = Refusal(candidate.path, outcome.reason, outcome.detail)
        if isinstance(outcome, Loaded):
            row, name = outcome.row, outcome.row["utterance_id"]
            if candidate.speaker_id is None and not self.takes(row["speaker_id"], candidate):
                return
            if name not in self._path_of:
                self._path_of[name] = candidate.path
                writer.write(row)
                self.tally.add(row)
                if outcome.measures:
                    self.measures[name] = outcome.measures
                return
            outcome = Refusal(candidate.path, "named twice", f"{self._path_of[name]} is utterance {name} already")
        self.refusals.append(outcome)


def write_dataset(
    reader: CorpusReader,
    candidates: Sequence[Candidate],
    config: CorpusConfig,
    folder: Path,
    erased: Container[str] = (),
    recorded_before: datetime | None = None,
) -> Manifest:
    """Load every candidate in a decoding worker and write the dataset it makes.

    Args:
        reader: How the corpus is read.
        candidates: In the order of the rows to be.
        config: Split, speakers wanted, limits.
        folder: An existing, empty folder; filled with shards/, quarantine.parquet, manifest.json, report.html and,
            where the corpus gives any, measures.parquet.
        erased: Speakers whose utterances are withheld.
        recorded_before: Candidates that say they were recorded at it or later are as if they were not there; aware.

    Returns:
        The manifest: utterances + quarantined + left out + erased are all of the candidates recorded before.

    Raises:
        CorpusError: There are no candidates, a wanted speaker is unknown, nothing is left, or more than the configured
            share is refused.
    """
    from voxloop.data.report_page import write_report

    if recorded_before is not None:
        candidates = _take_earlier(reader.name, candidates, recorded_before)
    _check_speakers(reader.name, candidates, config)
    book = _Book(reader.name, config, erased)
    taken = [one for one in candidates if book.takes(one.speaker_id, one)]
    with ShardWriter(folder, shard_bytes=round(config.shard_mebibytes * 2**20)) as writer:
        for candidate, outcome in _load_all(
            book, taken, config, virtual=reader.locate is None and not reader.list_parts
        ):
            book.enter(candidate, outcome, writer)
    _check_refusals(book, len(taken), config)
    write_measures(book.measures, folder)
    refused = [vars(refusal) for refusal in book.refusals]
    pq.write_table(pa.Table.from_pylist(refused, schema=QUARANTINE_SCHEMA), folder / QUARANTINE_NAME)
    manifest = _summarise(reader, config, book, writer, recorded_before)
    write_manifest(manifest, folder)
    write_report(folder)
    return manifest


def _take_earlier(corpus: str, candidates: Sequence[Candidate], bound: datetime) -> Sequence[Candidate]:
    parted = part_at(candidates, bound)
    print(f"ingest {corpus}: recorded before {bound.isoformat()}: {parted}", flush=True)
    if parted.later and not parted.taken:
        raise CorpusError(
            f"all {parted.later} utterances of corpus {corpus} were recorded at {bound.isoformat()} or later",
            rule="a dataset is not empty",
            remedy="ask for a later moment (recorded_before), or for none",
        )
    return parted.taken


def _summarise(
    reader: CorpusReader,
    config: CorpusConfig,
    book: _Book,
    writer: ShardWriter,
    recorded_before: datetime | None,
) -> Manifest:
    return Manifest(
        schema_version=SCHEMA_VERSION,
        corpus=reader.name,
        parallel_texts=reader.has_parallel_texts(config),
        text_normaliser=NORMALISER_VERSION,
        config=reader.describe(config),
        **book.tally.counted(),
        shards=tuple(writer.entries),
        quarantined=dict(sorted(Counter(refusal.reason for refusal in book.refusals).items())),
        left_out=book.left_out,
        erased=book.withheld,
        recorded_before=recorded_before,
    )


def _check_speakers(corpus: str, candidates: Sequence[Candidate], config: CorpusConfig) -> None:
    if not candidates:
        raise CorpusError(f"corpus {corpus} has no utterances", rule="a dataset is not empty", remedy="give it some")
    known: dict[int, tuple[CorpusConfig, set[str]]] = {}
    for one in candidates:
        of = one.config or config
        _, names = known.setdefault(id(of), (of, set()))
        if one.speaker_id is not None:
            names.add(one.speaker_id)
    for of, names in known.values():
        if unknown := sorted({*of.speakers} - names):
            raise CorpusError(
                f"corpus {corpus} has no speaker {unknown[0]!r}",
                rule=f"its speakers are {', '.join(sorted(names)) or 'unknown'}",
                remedy="correct the key `speakers`",
            )


def _load_all(
    book: _Book, candidates: Sequence[Candidate], config: CorpusConfig, *, virtual: bool
) -> Iterator[tuple[Candidate, Loaded | Refusal | Death]]:
    """Yield what came of each candidate, in order, and say now and then how far it is."""
    limits = WorkerLimits(seconds=config.audio.decode_seconds, mebibytes=config.audio.decode_mebibytes)
    work = partial(load_row, config, virtual=virtual)
    pool: DecodingPool[Candidate, Loaded | Refusal] = DecodingPool(work, limits, preload=_PRELOAD)
    started = told = time.monotonic()
    total = len(candidates)
    step = max(1, -(-total // _PROGRESS_STEPS))
    for done, pair in enumerate(zip(candidates, pool.run(candidates), strict=True), start=1):
        yield pair
        now = time.monotonic()
        if done % step == 0 or done == total or now - told > _PROGRESS_SECONDS:
            rate, told = done / max(now - started, 1e-3), now
            refused = len(book.refusals)
            print(f"ingest {book.corpus}: {done} of {total} files, {refused} refused, {rate:.0f} a second", flush=True)


def _check_refusals(book: _Book, total: int, config: CorpusConfig) -> None:
    refused = len(book.refusals)
    if not refused and not book.tally.utterances:
        raise CorpusError(
            f"nothing is left of corpus {book.corpus}: {book.withheld} files are withheld, {book.left_out} left out",
            rule="a dataset is not empty, and who was erased stays erased",
            remedy="take other speakers, or another corpus",
        )
    if book.tally.utterances and refused <= config.max_refused_share * total:
        return
    first = book.refusals[0]
    counts = Counter(refusal.reason for refusal in book.refusals).most_common(3)
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts)
    enough = min(1.0, math.ceil(100.0 * refused / total) / 100.0)
    raise CorpusError(
        f"{refused} of {total} files of corpus {book.corpus} are unusable ({reasons}); "
        f"the first is {first.path} ({first.reason}: {first.detail})",
        rule=f"a share of {config.max_refused_share:g} may be (max_refused_share)",
        remedy="mend or remove these files"
        if not book.tally.utterances
        else f"mend or remove these files, or put them in quarantine.parquet: --set max_refused_share={enough:g}",
    )
