"""The index of fingerprints against a search that looks at everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.config import find_config, load_config
from voxloop.data.leak_sounds import FingerprintIndex, MatchConfig
from voxloop.data.leakage import LeakageConfig
from voxloop.speech.fingerprint import Fingerprint

CONFIG = load_config(LeakageConfig, find_config("leakage", "emotion")).fingerprint
EAGER = CONFIG.model_copy(update={"least_votes": 1})


def search_everything(known: Sequence[Fingerprint], asked: Fingerprint, config: MatchConfig) -> dict[int, float]:
    """Return the smallest error of every match, over every alignment that shares half a word."""
    found: dict[int, float] = {}
    for position, one in enumerate(known):
        for shift in range(-len(one.words) + 1, len(asked.words)):
            frames = wrong = votes = 0
            for place in range(len(asked.words)):
                other = place - shift
                if not (0 <= other < len(one.words) and asked.loud[place] and one.loud[other]):
                    continue
                differ = int(asked.words[place] ^ one.words[other])
                frames, wrong = frames + 1, wrong + differ.bit_count()
                votes += (differ & 0xFFFF == 0) + (differ >> 16 == 0)
            shorter = min(int(asked.loud.sum()), int(one.loud.sum()))
            if votes < config.least_votes or frames < max(config.least_frames, config.least_coverage * shorter):
                continue
            error = wrong / (32 * frames)
            bound = float(config.bound(np.array([frames]))[0])
            if error <= bound and error <= found.get(position, 1.0):
                found[position] = error
    return found


@st.composite
def fingerprints(draw: st.DrawFn) -> tuple[list[Fingerprint], Fingerprint]:
    """Some fingerprints, and one that may be part of one of them with bits turned."""
    make = np.random.default_rng(draw(st.integers(0, 2**32)))
    known = [
        Fingerprint(make.integers(0, 2**32, length, dtype=np.uint32), make.random(length) < 0.9)
        for length in draw(st.lists(st.integers(1, 70), min_size=1, max_size=4))
    ]
    source = known[draw(st.integers(0, len(known) - 1))]
    start = draw(st.integers(0, len(source.words) - 1))
    words = source.words[start:].copy()
    turned = make.random((len(words), 32)) < draw(st.sampled_from([0.0, 0.03, 0.08, 0.2]))
    words ^= (turned @ (np.uint32(1) << np.arange(32, dtype=np.uint32))).astype(np.uint32)
    before = make.integers(0, 2**32, draw(st.integers(0, 12)), dtype=np.uint32)
    words = np.concatenate([before, words])
    return known, Fingerprint(words, make.random(len(words)) < 0.95)


@settings(max_examples=60, deadline=None)
@given(fingerprints(), st.sampled_from([CONFIG, EAGER]))
def test_the_index_finds_what_a_search_of_everything_finds(
    drawn: tuple[list[Fingerprint], Fingerprint], config: MatchConfig
) -> None:
    known, asked = drawn
    found = {match.position: match.error for match in FingerprintIndex(known).find(asked, config)}
    assert found == pytest.approx(search_everything(known, asked, config))


def test_a_match_says_where_it_is() -> None:
    make = np.random.default_rng(7)
    known = [Fingerprint(make.integers(0, 2**32, 90, dtype=np.uint32), np.ones(90, bool)) for _ in range(3)]
    asked = Fingerprint(np.concatenate([known[0].words[:10], known[2].words]), np.ones(100, bool))
    (match,) = FingerprintIndex(known).find(asked, CONFIG)
    assert (match.position, match.shift_s, match.error, match.frames) == (2, 0.12, 0.0, 90)


def test_an_empty_index_finds_nothing() -> None:
    asked = Fingerprint(np.arange(90, dtype=np.uint32), np.ones(90, bool))
    assert FingerprintIndex([]).find(asked, CONFIG) == []


def test_a_silent_sound_matches_nothing_not_even_itself() -> None:
    silent = Fingerprint(np.zeros(90, dtype=np.uint32), np.zeros(90, bool))
    assert FingerprintIndex([silent]).find(silent, CONFIG) == []


@pytest.mark.parametrize(("frames", "bound"), [(8, 0.08), (30, 0.08), (45, 0.165), (60, 0.25), (5_000, 0.25)])
def test_a_short_match_must_be_closer(frames: int, bound: float) -> None:
    assert float(CONFIG.bound(np.array([frames]))[0]) == pytest.approx(bound)
