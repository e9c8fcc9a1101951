"""Connectionist temporal classification: the loss, two views that must agree, and the way from frames to tokens.

A. Graves et al., "Connectionist temporal classification", ICML 2006. Token 0 is the blank.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from voxloop.speech.log_mel import mask_of

BLANK = 0
Floats = npt.NDArray[np.float32]


def least_frames(tokens: Sequence[int]) -> int:
    """Return how many frames a transcript takes at least: one a token, and a blank between two that are the same."""
    return len(tokens) + sum(one == other for one, other in pairwise(tokens))


def ctc_losses(log_probs: Tensor, num_frames: Tensor, tokens: Tensor, num_tokens: Tensor) -> Tensor:
    """Negative log-likelihood of each transcript, float32 [batch], in 32 bits whatever the arithmetic around it.

    Args:
        log_probs: [batch, frames, symbols].
        num_frames: int64 [batch].
        tokens: int64 [batch, longest].
        num_tokens: int64 [batch].
    """
    with torch.autocast(log_probs.device.type, enabled=False):
        by_time = log_probs.float().transpose(0, 1)
        return functional.ctc_loss(by_time, tokens, num_frames, num_tokens, blank=BLANK, reduction="none")


def disagreements(one: Tensor, other: Tensor, num_frames: Tensor) -> Tensor:
    """How far two views are apart: half the divergence of each from the other, summed over frames, float32 [batch].

    Z. Yao et al., "CR-CTC: consistency regularization on CTC", ICLR 2025 (arXiv:2410.05101), equation 3: the view
    that a divergence is measured from gets no gradient by it.

    Args:
        one: Log-probabilities [batch, frames, symbols].
        other: The same of the other view.
        num_frames: int64 [batch].
    """
    with torch.autocast(one.device.type, enabled=False):
        one, other = one.float(), other.float()
        there = functional.kl_div(one, other.detach(), reduction="none", log_target=True)
        back = functional.kl_div(other, one.detach(), reduction="none", log_target=True)
        inside = mask_of(num_frames, one.shape[1])[:, :, None]
        return 0.5 * ((there + back) * inside).sum(dim=(1, 2))


def collapse(path: Sequence[int]) -> list[int]:
    """Return the tokens of a path of one symbol a frame: repetitions made one, then blanks left out."""
    kept = [symbol for place, symbol in enumerate(path) if place == 0 or symbol != path[place - 1]]
    return [symbol for symbol in kept if symbol != BLANK]


def decode_greedily(log_probs: Floats) -> list[int]:
    """Return the tokens of the likeliest path through float32 [frames, symbols]."""
    return collapse(log_probs.argmax(axis=1).tolist())


def search_prefixes(log_probs: Floats, beam: int) -> list[int]:
    """Return the likeliest transcript by prefix beam search: paths that write the same are added up.

    A. Graves, N. Jaitly, ICML 2014, algorithm 1, without a language model. Exact when `beam` holds all prefixes.

    Args:
        log_probs: float32 [frames, symbols].
        beam: Prefixes kept after each frame.
    """
    # Of each prefix, the log-probability of the paths that end in a blank, and of those that end in its last token.
    kept: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for frame in log_probs.astype(np.float64):
        likely = _likely_tokens(frame, beam)
        grown: defaultdict[tuple[int, ...], list[float]] = defaultdict(lambda: [-np.inf, -np.inf])
        for prefix, ends in kept.items():
            _grow(grown, prefix, ends, frame, likely)
        best = sorted(grown.items(), key=lambda item: (-np.logaddexp(item[1][0], item[1][1]), item[0]))
        kept = {prefix: (blank, token) for prefix, (blank, token) in best[:beam]}
    return list(next(iter(kept)))


def _likely_tokens(frame: npt.NDArray[np.float64], beam: int) -> list[int]:
    """The tokens worth growing by: no prefix of a beam needs more than `beam` of them, the blank aside."""
    order = np.argsort(-frame, kind="stable")
    return [int(symbol) for symbol in order[: beam + 1] if symbol != BLANK]


def _grow(
    grown: defaultdict[tuple[int, ...], list[float]],
    prefix: tuple[int, ...],
    ends: tuple[float, float],
    frame: npt.NDArray[np.float64],
    likely: Sequence[int],
) -> None:
    """Add what becomes of one prefix in one frame."""
    either = float(np.logaddexp(ends[0], ends[1]))
    same = grown[prefix]
    same[0] = float(np.logaddexp(same[0], either + frame[BLANK]))
    if prefix:
        same[1] = float(np.logaddexp(same[1], ends[1] + frame[prefix[-1]]))
    for symbol in likely:
        longer = grown[(*prefix, symbol)]
        # A token like the last one is a new one only behind a blank.
        before = ends[0] if prefix and symbol == prefix[-1] else either
        longer[1] = float(np.logaddexp(longer[1], before + frame[symbol]))
