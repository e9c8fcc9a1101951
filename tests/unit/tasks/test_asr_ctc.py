"""CTC against counting every path."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby, product

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from voxloop.tasks.ctc import collapse, ctc_losses, decode_greedily, disagreements, least_frames, search_prefixes

TINY_CASES = {"frames": st.integers(1, 5), "symbols": st.integers(2, 4), "seed": st.integers(0, 2**32)}


def draw_log_probs(frames: int, symbols: int, seed: int) -> npt.NDArray[np.float32]:
    logits = torch.from_numpy(2.0 * np.random.default_rng(seed).standard_normal((frames, symbols)))
    return logits.log_softmax(dim=1).float().numpy()


def write_plainly(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in groupby(path) if symbol)


def all_transcripts(log_probs: npt.NDArray[np.float32]) -> dict[tuple[int, ...], float]:
    """Return the probability of every transcript, by adding up every path."""
    found: defaultdict[tuple[int, ...], float] = defaultdict(float)
    frames, symbols = log_probs.shape
    for path in product(range(symbols), repeat=frames):
        found[write_plainly(path)] += float(np.exp(sum(log_probs[t, symbol] for t, symbol in enumerate(path))))
    return dict(found)


@given(path=st.lists(st.integers(0, 3), max_size=12))
def test_a_path_collapses_as_written_plainly(path: list[int]) -> None:
    assert tuple(collapse(path)) == write_plainly(tuple(path))


@given(**TINY_CASES)
@settings(max_examples=50, deadline=None)
def test_greedy_decoding_takes_the_likeliest_path(frames: int, symbols: int, seed: int) -> None:
    log_probs = draw_log_probs(frames, symbols, seed)
    paths = product(range(symbols), repeat=frames)
    best = max(paths, key=lambda path: sum(float(log_probs[t, symbol]) for t, symbol in enumerate(path)))
    assert tuple(decode_greedily(log_probs)) == write_plainly(best)


@given(**TINY_CASES)
@settings(max_examples=50, deadline=None)
def test_a_wide_beam_finds_the_likeliest_transcript(frames: int, symbols: int, seed: int) -> None:
    log_probs = draw_log_probs(frames, symbols, seed)
    transcripts = all_transcripts(log_probs)
    found = tuple(search_prefixes(log_probs, 1_000))
    assert transcripts[found] == pytest.approx(max(transcripts.values()), rel=1e-5)


def test_a_beam_finds_what_the_likeliest_path_misses() -> None:
    # Two frames, each .6 blank and .4 "a": the path of blanks has .36, the paths that write "a" have .64 together.
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]], dtype=np.float32))
    assert decode_greedily(log_probs) == []
    assert search_prefixes(log_probs, 2) == [1]


@given(**TINY_CASES)
@settings(max_examples=30, deadline=None)
def test_the_loss_is_the_probability_of_all_paths(frames: int, symbols: int, seed: int) -> None:
    log_probs = draw_log_probs(frames, symbols, seed)
    for transcript, probability in all_transcripts(log_probs).items():
        found = ctc_losses(
            torch.from_numpy(log_probs)[None],
            torch.tensor([frames]),
            torch.tensor([[*transcript, 0]]),
            torch.tensor([len(transcript)]),
        )
        assert float(found) == pytest.approx(-np.log(probability), abs=1e-4)
        assert least_frames(transcript) <= frames


@given(tokens=st.lists(st.integers(1, 2), max_size=4))
def test_a_transcript_fits_into_its_least_frames_and_into_no_fewer(tokens: list[int]) -> None:
    least = least_frames(tokens)
    fitting = [
        frames
        for frames in range(least + 1)
        if any(write_plainly(path) == tuple(tokens) for path in product(range(3), repeat=frames))
    ]
    assert fitting == [least]


def test_views_that_agree_are_not_apart_and_order_does_not_matter() -> None:
    one, other = (torch.randn(2, 5, 4).log_softmax(dim=2) for _ in range(2))
    counts = torch.tensor([5, 3])
    torch.testing.assert_close(disagreements(one, one, counts), torch.zeros(2))
    apart = disagreements(one, other, counts)
    assert (apart > 0).all()
    torch.testing.assert_close(disagreements(other, one, counts), apart)
    padded = other.clone()
    padded[1, 3:] = torch.randn(2, 4).log_softmax(dim=1)
    torch.testing.assert_close(disagreements(one, padded, counts), apart)


def test_a_view_learns_from_the_other_alone() -> None:
    one = torch.randn(1, 3, 4).log_softmax(dim=2).requires_grad_()
    other = torch.randn(1, 3, 4).log_softmax(dim=2)
    disagreements(one, other, torch.tensor([3])).sum().backward()  # type: ignore[no-untyped-call]
    assert one.grad is not None
    # Of half KL(other || one) the gradient is -other / 2; KL(one || other) gives none.
    torch.testing.assert_close(one.grad, -0.5 * other.exp())
