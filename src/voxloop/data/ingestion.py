"""From candidates to a dataset folder: shards, quarantine, manifest. Every candidate is counted somewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.config import resolved
from voxloop.data.corpora.reader import Candidate, CorpusConfig, UnusableFileError
from voxloop.data.manifest import Manifest, SplitCount, write_manifest
from voxloop.data.schema import QUARANTINE_SCHEMA, SCHEMA_VERSION, make_row
from voxloop.data.shards import ShardWriter
from voxloop.data.splits import SPLITS, split_of
from voxloop.errors import CorpusError
from voxloop.speech.waveform import UnusableAudioError

QUARANTINE_NAME = "quarantine.parquet"

_BATCH = 64
_THREADS = 2  # decoding and FLAC coding leave Python's lock; eSpeak takes turns under its own
_PROGRESS_STEPS = 5

Refusal = dict[str, str]


class DatasetTally:
    """Counts for the manifest, kept while rows go by; no audio is held."""

    def __init__(self) -> None:
        self.utterances = 0
        self.seconds = 0.0
        self.emotions: Counter[str] = Counter()
        self.split_utterances: Counter[str] = Counter()
        self.split_of_speaker: dict[str, str] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Count one row of `UTTERANCE_SCHEMA`."""
        self.utterances += 1
        self.seconds += row["duration_s"]
        self.split_utterances[row["split"]] += 1
        self.split_of_speaker[row["speaker_id"]] = row["split"]
        if row["emotion"] is not None:
            self.emotions[row["emotion"]] += 1

    def splits(self) -> dict[str, SplitCount]:
        """Return the size of every split, empty ones included."""
        speakers = Counter(self.split_of_speaker.values())
        return {
            split: SplitCount(utterances=self.split_utterances[split], speakers=speakers[split]) for split in SPLITS
        }


def write_dataset(corpus: str, candidates: Sequence[Candidate], config: CorpusConfig, folder: Path) -> Manifest:
    """Load every candidate and write the dataset it makes.

    Args:
        corpus: Name of the corpus.
        candidates: In the order of the rows to be.
        config: Split, speakers wanted, limits.
        folder: An existing, empty folder; filled with shards/, quarantine.parquet and manifest.json.

    Returns:
        The manifest: utterances + quarantined + left out are all of the candidates.

    Raises:
        CorpusError: There are no candidates, a wanted speaker is unknown, or more than the configured share is refused.
    """
    taken = _select_speakers(corpus, candidates, config)
    tally, refusals = DatasetTally(), []
    with ShardWriter(folder, shard_bytes=round(config.shard_mebibytes * 2**20)) as writer:
        for done, outcome in enumerate(_load_all(taken, config), start=1):
            if "reason" in outcome:
                refusals.append(outcome)
            else:
                writer.write(outcome)
                tally.add(outcome)
            _report_progress(corpus, done, len(taken), len(refusals))
    _check_refusals(corpus, refusals, len(taken), config)
    pq.write_table(pa.Table.from_pylist(refusals, schema=QUARANTINE_SCHEMA), folder / QUARANTINE_NAME)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        corpus=corpus,
        config=resolved(config),
        utterances=tally.utterances,
        hours=round(tally.seconds / 3600.0, 6),
        speakers=len(tally.split_of_speaker),
        labels={"emotion": dict(sorted(tally.emotions.items()))} if tally.emotions else {},
        splits=tally.splits(),
        shards=tuple(writer.entries),
        quarantined=dict(sorted(Counter(refusal["reason"] for refusal in refusals).items())),
        left_out=len(candidates) - len(taken),
    )
    write_manifest(manifest, folder)
    return manifest


def _select_speakers(corpus: str, candidates: Sequence[Candidate], config: CorpusConfig) -> list[Candidate]:
    if not candidates:
        raise CorpusError(f"corpus {corpus} has no utterances", rule="a dataset is not empty", remedy="give it some")
    if not config.speakers:
        return list(candidates)
    known = {candidate.speaker_id for candidate in candidates if candidate.speaker_id is not None}
    if unknown := sorted(set(config.speakers) - known):
        raise CorpusError(
            f"corpus {corpus} has no speaker {unknown[0]!r}",
            rule=f"its speakers are {', '.join(sorted(known)) or 'unknown'}",
            remedy="correct the key `speakers`",
        )
    # A file nobody is known to have spoken cannot be left out by speaker: it goes on, to be refused and counted.
    return [candidate for candidate in candidates if candidate.speaker_id in {*config.speakers, None}]


def _load_all(candidates: Sequence[Candidate], config: CorpusConfig) -> Iterator[dict[str, Any]]:
    """Yield a row or a refusal for each candidate, in order, a batch ahead at most."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(candidates), _BATCH):
            batch = candidates[start : start + _BATCH]
            yield from pool.map(_load_one, batch, [config] * len(batch))


def _load_one(candidate: Candidate, config: CorpusConfig) -> dict[str, Any]:
    try:
        utterance = candidate.load()
    except (UnusableFileError, UnusableAudioError) as refused:
        return {"path": candidate.path, "reason": refused.reason, "detail": refused.detail}
    return make_row(utterance, split_of(utterance.speaker_id, config.split))


def _check_refusals(corpus: str, refusals: Sequence[Refusal], total: int, config: CorpusConfig) -> None:
    if len(refusals) < total and len(refusals) <= config.max_refused_share * total:
        return
    first = refusals[0]
    reason, count = Counter(refusal["reason"] for refusal in refusals).most_common(1)[0]
    raise CorpusError(
        f"{len(refusals)} of {total} files of corpus {corpus} are unusable, most often ({count}): {reason}; "
        f"the first is {first['path']} ({first['reason']}: {first['detail']})",
        rule=f"at most {config.max_refused_share:.0%} may be",
        remedy="mend or remove these files, or let them be put in quarantine: --set max_refused_share=0.2",
    )


def _report_progress(corpus: str, done: int, total: int, refused: int) -> None:
    step = max(1, -(-total // _PROGRESS_STEPS))
    if done % step == 0 or done == total:
        print(f"ingest {corpus}: {done} of {total} utterances, {refused} refused", flush=True)
