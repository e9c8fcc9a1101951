"""What the leakage gate looks at in each utterance, read a few MiB at a time."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voxloop.data.manifest import ShardEntry, load_manifest
from voxloop.data.splits import Split
from voxloop.data.text import normalise_text
from voxloop.errors import IntegrityError
from voxloop.speech.fingerprint import Fingerprint, measure_fingerprint
from voxloop.speech.waveform import decode_flac, to_int16
from voxloop.store.digests import digest_bytes, digest_file

COLUMNS = ("utterance_id", "audio", "sha256", "speaker_id", "session_id", "language", "text", "split")

_ROWS_AT_A_TIME = 64


@dataclass(frozen=True, eq=False)
class Sound:
    """The sound of an utterance as leaks are looked for in it.

    Args:
        samples: SHA-256 of the decoded samples: another encoder writes other bytes of the same sound.
        fingerprint: See `voxloop.speech.fingerprint`.
    """

    samples: str
    fingerprint: Fingerprint


@dataclass(frozen=True, eq=False)
class LeakRow:
    """One utterance.

    Args:
        session_id: None where the corpus has no sessions.
        sha256: Digest of the bytes: of the FLAC, or of the text where there is no sound.
        sentence: Normalised, without punctuation; empty where there is none.
        sound: None for a row of words alone, and for a sound that is unreadable.
        unreadable: Why the sound cannot be read; empty when it can.
    """

    utterance_id: str
    split: Split
    speaker_id: str
    session_id: str | None
    sha256: str
    sentence: str
    sound: Sound | None
    unreadable: str = ""


class RowReader:
    """Read the utterances of datasets; a recording met again is not decoded again.

    Args:
        remember: Keep the sounds of what is read: for the few utterances of an evaluation, not for training data.
    """

    def __init__(self, *, remember: bool = False) -> None:
        self._remember = remember
        self._sounds: dict[str, Sound] = {}

    def read(self, dataset: Path, splits: Collection[Split]) -> Iterator[LeakRow]:
        """Yield the utterances of some splits.

        Raises:
            InputError: `dataset` is no dataset folder.
            IntegrityError: A shard is missing, or its bytes are not those the manifest has the digest of.
        """
        for entry in load_manifest(dataset).shards:
            _check_shard(dataset, entry)
            with pq.ParquetFile(dataset / entry.path) as file:
                for batch in file.iter_batches(_ROWS_AT_A_TIME, columns=list(COLUMNS)):
                    kept = batch.filter(pc.is_in(batch["split"], pa.array(sorted(splits))))
                    yield from map(self._describe, kept.to_pylist())

    def _describe(self, row: dict[str, Any]) -> LeakRow:
        audio: bytes | None = row["audio"]
        sound, unreadable = (None, "") if audio is None else self._listen(audio, row["sha256"])
        return LeakRow(
            utterance_id=row["utterance_id"],
            split=row["split"],
            speaker_id=row["speaker_id"],
            session_id=row["session_id"],
            sha256=row["sha256"],
            sentence=spell_sentence(row["text"], row["language"]) if row["text"] else "",
            sound=sound,
            unreadable=unreadable,
        )

    def _listen(self, audio: bytes, sha256: str) -> tuple[Sound | None, str]:
        if (known := self._sounds.get(sha256)) is not None:
            return known, ""
        if digest_bytes(audio) != sha256:
            return None, "its bytes are not those of its sha256"
        try:
            waveform = decode_flac(audio)
        except Exception as refused:  # noqa: BLE001 - whatever the decoder says, this sound was not compared
            return None, f"it cannot be decoded: {' '.join(str(refused).split()) or type(refused).__name__}"
        if not len(waveform):
            return None, "it holds no samples"
        sound = Sound(digest_bytes(to_int16(waveform).tobytes()), measure_fingerprint(waveform))
        if self._remember:
            self._sounds[sha256] = sound
        return sound, ""


class _WithoutPunctuation(dict[int, str]):
    """A table for `str.translate`, filled as characters are met; letters, digits and tone marks stay."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        self[code] = " " if unicodedata.category(letter).startswith("P") else letter
        return self[code]


_WORDS_ALONE = _WithoutPunctuation()


def spell_sentence(text: str, language: str | None) -> str:
    """Return what two spellings of one sentence share: normalised, no punctuation; empty where no word is left."""
    return " ".join(normalise_text(text, language).translate(_WORDS_ALONE).split())


def _check_shard(dataset: Path, entry: ShardEntry) -> None:
    path = dataset / entry.path
    if not path.is_file():
        raise IntegrityError(f"{path} is missing", rule="its manifest lists it", remedy="run `voxloop ingest` again")
    if digest_file(path) != entry.sha256:
        raise IntegrityError(f"{path} was changed", rule="its manifest has its digest", remedy="write it again")
