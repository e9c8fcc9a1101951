"""Rows that the prediction log would have of a corpus, had its clips been sent to the gateway as they are or changed.

A clip is decoded within the gateway's limits, changed (`voxloop.speech.conditions`), rounded to 16 bits as the gateway
passes it on, and measured by the function that the log's own process calls. Who speaks is named by the caller. No model
is asked: without any label or confidence those two columns are none, as of a family that does not have them.
"""

from __future__ import annotations

import math
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.reader import Candidate
from voxloop.data.prosody_tables import FeaturesConfig
from voxloop.errors import CorpusError
from voxloop.gateway.config import GatewayConfig
from voxloop.monitoring.drift.profile import PredictionColumns
from voxloop.monitoring.drift.window import as_arrays
from voxloop.monitoring.prediction import (
    ANSWERED,
    SCHEMA_VERSION,
    Prediction,
    describe_measures,
    make_row,
    make_table,
)
from voxloop.monitoring.sound_measures import measure_sound
from voxloop.speech.conditions import Noise, SoundCondition, Telephone, change_sound
from voxloop.speech.limits import UnusableAudioError
from voxloop.speech.prosody import ProsodyConfig
from voxloop.speech.waveform import SAMPLE_RATE, Waveform, to_int16
from voxloop.store.digests import digest_json

CLEAN = "as it is"
CONDITIONS: Mapping[str, SoundCondition | None] = {
    CLEAN: None,
    "noise at 10 dB": Noise(kind="noise", snr_db=10.0),
    "telephone band": Telephone(kind="telephone"),
}
BEGIN = datetime(2026, 11, 30, 9, tzinfo=UTC)
NO_MODEL = "0" * 64
SEED = 20_261_130
IN_WINDOW, MOST_IN_WINDOW = 0.4, 10
"""Share of a corpus' speakers that call in a window, and the most of them."""


@dataclass(frozen=True)
class Corpus:
    """A corpus as the log would have it.

    Args:
        name: As `voxloop ingest` calls it.
        sounds: Its rows by condition; row i is of the same clip in each.
    """

    name: str
    sounds: Mapping[str, PredictionColumns]

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks, sorted."""
        return tuple(self.sounds[CLEAN].speakers.sort().names.tolist())


def read_corpus(name: str, folder: Path, out: Path, *, rows: int) -> Corpus:
    """Return a corpus, measured once and kept in `out` as tables with the columns of the log.

    Args:
        name: Of the reader.
        folder: Of the corpus.
        out: Where tables are kept.
        rows: Of a window of as many speakers as `count_window_speakers` says.

    Raises:
        CorpusError: It is no folder of this corpus.
    """
    reader = find_corpus(name)
    limits = load_config(GatewayConfig, find_config("gateway")).audio
    config = load_config(reader.config_model, find_config("corpora", name)).model_copy(update={"audio": limits})
    offered = reader.list_candidates(config, reader.locate(folder) if reader.locate else None)
    speakers = {candidate.speaker_id for candidate in offered}
    candidates = choose_clips(offered, math.ceil(rows / count_window_speakers(len(speakers))))
    prosody = load_config(FeaturesConfig, find_config("features", "prosody")).prosody
    asked = {
        "schema": SCHEMA_VERSION,
        "prosody": prosody.model_dump(mode="json"),
        "conditions": {key: one and one.model_dump(mode="json") for key, one in CONDITIONS.items()},
        "clips": [candidate.path for candidate in candidates],
    }
    paths = {key: out / f"{name}-{key.replace(' ', '-')}-{digest_json(asked)[:12]}.parquet" for key in CONDITIONS}
    if not all(path.is_file() for path in paths.values()):
        out.mkdir(parents=True, exist_ok=True)
        for key, table in measure_clips(name, candidates, prosody).items():
            pq.write_table(table, paths[key])
    return Corpus(name, {key: as_arrays(pq.read_table(path)) for key, path in paths.items()})


def count_window_speakers(speakers: int) -> int:
    """Return how many speakers of a corpus call in a window; the others are its reference."""
    return max(2, min(MOST_IN_WINDOW, round(IN_WINDOW * speakers)))


def choose_clips(candidates: Sequence[Candidate], most: int) -> list[Candidate]:
    """Return clips of each speaker, spread over all that the speaker has, in their order."""
    places: dict[str | None, list[int]] = {}
    for place, candidate in enumerate(candidates):
        places.setdefault(candidate.speaker_id, []).append(place)
    spread = {own[len(own) * step // most] for own in places.values() for step in range(most)}
    return [candidates[place] for place in sorted(spread)]


def measure_clips(name: str, candidates: list[Candidate], prosody: ProsodyConfig) -> dict[str, pa.Table]:
    """Return a table of each condition; clips that the gateway would refuse are left out, and counted on stderr."""
    rows: dict[str, list[dict[str, Any]]] = {key: [] for key in CONDITIONS}
    refused = 0
    for number, candidate in enumerate(candidates):
        try:
            utterance = candidate.load()
        except (CorpusError, UnusableAudioError):
            refused += 1
            continue
        assert utterance.waveform is not None
        speaker = f"{name} {utterance.speaker_id}"
        for key, sound in change_clip(candidate.path, utterance.waveform):
            rows[key].append(describe_clip(number, speaker, sound, prosody))
        if len(rows[CLEAN]) % 100 == 0:
            print(f"{name}: {number} of {len(candidates)} clips", file=sys.stderr, flush=True)
    print(f"{name}: {len(rows[CLEAN])} clips, {refused} that cannot be sent", file=sys.stderr, flush=True)
    return {key: make_table(found) for key, found in rows.items()}


def change_clip(path: str, waveform: Waveform) -> Iterator[tuple[str, Waveform]]:
    """Yield the sound under each condition; chance is of the clip, whatever else is measured."""
    for key, condition in CONDITIONS.items():
        draw = np.random.default_rng([SEED, zlib.crc32(path.encode())])
        yield key, waveform if condition is None else change_sound(waveform, condition, draw)


def describe_clip(number: int, speaker: str, sound: Waveform, prosody: ProsodyConfig) -> dict[str, Any]:
    """Return the row of the log of a clip that was sent."""
    heard = to_int16(sound)
    sent = Prediction(
        at=BEGIN + timedelta(seconds=number),
        request_id=f"{number:032x}",
        tenant="benchmark",
        key_id="0" * 16,
        family="emotion",
        model_digest=NO_MODEL,
        route=0,
        is_shadow=False,
        status=ANSWERED,
        answer=None,
        problem=None,
        latency_ms=None,
        model_ms=0.0,
        duration_s=len(heard) / SAMPLE_RATE,
    )
    measured = measure_sound(heard, prosody)
    return {**make_row(sent, (speaker, "1")), **describe_measures(measured.numbers, measured.embedding)}
