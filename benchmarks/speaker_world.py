"""How much faster than real time the speaker world speaks, on one core: synthesis, prosody, noise and FLAC.

The peer is the clock: one second of speech a second. The same utterance made twice must be the same bytes.
"""

from __future__ import annotations

import time

from benchmarks.report import Finding
from voxloop.config import find_config, load_config
from voxloop.data.corpora import find_corpus
from voxloop.data.corpora.reader import Candidate
from voxloop.speech.waveform import SAMPLE_RATE, Waveform, encode_flac

UTTERANCES = 300
TARGET = 300.0  # "several hundred times faster than real time"


def measure() -> Finding:
    """Return seconds of speech a CPU second."""
    reader = find_corpus("world")
    config = load_config(reader.config_model, find_config("corpora", "world"))
    candidates = reader.list_candidates(config, None)[:UTTERANCES]
    first = _speak(candidates[0]).tobytes()
    started, spoken = time.process_time(), 0.0
    for candidate in candidates:
        waveform = _speak(candidate)
        encode_flac(waveform)
        spoken += len(waveform) / SAMPLE_RATE
    taken = time.process_time() - started
    if _speak(candidates[0]).tobytes() != first:
        raise AssertionError("the same utterance differs when it is made again")
    return Finding("speaker world: seconds of speech a CPU second", spoken / taken, 1.0, TARGET, "at least")


def _speak(candidate: Candidate) -> Waveform:
    waveform = candidate.load().waveform
    assert waveform is not None
    return waveform


if __name__ == "__main__":
    print(measure().as_json())
