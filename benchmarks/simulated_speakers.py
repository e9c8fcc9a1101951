"""Two models judged on simulated speakers, where what is true is known: for the coverage and the power of intervals.

Each function gives test sets: moments summed over each speaker, the challenger's and then the champion's, as `paired`
measures take them, how much each speaker says, and the true lead.

**Intra-speaker correlation** (rho) is that of a model's scores of two utterances of one speaker. For WER and UAR each
has an error probability (a recall, for each label) from a Beta distribution, and rho is the share of the variance of
utterance scores (error rate of 8 words; right or wrong) that lies between speakers. For CCC the reference and each
model's error are sums of a speaker's and an utterance's normal part, with shares rho and 1 - rho of the variance.

**Two models** are paired twice: a speaker hard for one is hard for the other (normal copula of their probabilities,
correlation 0.7), and words or utterances are heard with the same luck in half of the cases, and with luck of their own
in the others. A speaker says 25 utterances, or 10 to 40 (uniform), or 5 to 200 (log-uniform).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Draw = np.random.Generator
Talk = Literal["25", "10 to 40", "5 to 200"]

WORDS = 8
LIKENESS = 0.7
SAME_LUCK = 0.5
RECALLS = ((0.70, 0.67), (0.60, 0.57), (0.80, 0.75), (0.50, 0.50))
"""Of each label, of challenger and champion."""


@dataclass(frozen=True)
class World:
    """What is simulated.

    Args:
        draws: Test sets.
        speakers: In each.
        correlation: Within a speaker, of utterance scores.
        talk: Utterances of each speaker.
    """

    draws: int
    speakers: int
    correlation: float
    talk: Talk = "10 to 40"

    def sizes(self, draw: Draw) -> Counts:
        """Return utterances of each speaker, int64 [draws, speakers]."""
        shape = (self.draws, self.speakers)
        if self.talk == "25":
            return np.full(shape, 25)
        if self.talk == "10 to 40":
            return draw.integers(10, 41, shape)
        return np.exp(draw.uniform(np.log(5), np.log(201), shape)).astype(np.int64)


class SimulatedSums(NamedTuple):
    """Sums float64 [draws, speakers, 2 k], utterances of each speaker float64 [draws, speakers], the true lead."""

    sums: Floats
    sizes: Floats
    lead: float


def recogniser_sums(world: World, draw: Draw, rates: tuple[float, float] = (0.13, 0.15)) -> SimulatedSums:
    """Return sums for `WER` of utterances of 8 words.

    Args:
        world: What is simulated.
        draw: Chance.
        rates: Word error rates of challenger and champion.
    """
    # of n words with variance p (1 - p) - τ² each within a speaker, an utterance's rate has 1 / n of it
    share = world.correlation / (1 - world.correlation) / WORDS
    probabilities = _draw_probabilities(world, draw, np.array(rates), share / (1 + share), ())
    sizes = world.sizes(draw)
    words = sizes * WORDS
    ours, theirs = count_both(probabilities[..., 0], probabilities[..., 1], words, draw)
    return _simulated(np.stack([ours, words, theirs, words], axis=-1), sizes, rates[1] - rates[0])


def emotion_sums(world: World, draw: Draw, recalls: tuple[tuple[float, float], ...] = RECALLS) -> SimulatedSums:
    """Return sums for `UAR` of four labels, the first said three times as often as the others; as above."""
    probabilities = _draw_probabilities(world, draw, np.array(recalls), world.correlation, (len(recalls),))
    shares = np.array([3.0, *np.ones(len(recalls) - 1)])
    # one of each at least: where a label is said by nobody an interval says that it cannot tell
    sizes = world.sizes(draw)
    asked = 1 + draw.multinomial(sizes - len(recalls), shares / shares.sum())
    ours, theirs = count_both(probabilities[..., 0], probabilities[..., 1], asked, draw)
    nothing = np.zeros_like(asked)
    means = np.mean(recalls, axis=0)
    return _simulated(
        np.concatenate([asked, nothing, ours, asked, nothing, theirs], axis=-1), sizes, means[0] - means[1]
    )


def agreement_sums(
    world: World, draw: Draw, noises: tuple[float, float] = (0.8, 0.9), slopes: tuple[float, float] = (0.6, 0.5)
) -> SimulatedSums:
    """Return sums for `CCC` of one trait.

    An answer is slope · reference + noise; two models' noises have correlation 0.7.

    Args:
        world: What is simulated.
        draw: Chance.
        noises: Standard deviation of the answers' noise of challenger and champion; the reference's is 1.
        slopes: Of answers on references.
    """
    sizes = world.sizes(draw)
    said = np.arange(sizes.max()) < sizes[..., None]
    reference, common, ours, theirs = (_mix(world, draw, said.shape) for _ in range(4))
    sums = []
    for own, noise, slope in zip((ours, theirs), noises, slopes, strict=True):
        strange = np.sqrt(LIKENESS) * common + np.sqrt(1 - LIKENESS) * own
        answer = slope * reference + noise * strange
        parts = (np.ones_like(answer), reference, answer, reference**2, answer**2, reference * answer)
        sums += [np.where(said, part, 0.0).sum(axis=-1) for part in parts]
    values = [2 * slope / (1 + slope**2 + noise**2) for noise, slope in zip(noises, slopes, strict=True)]
    return _simulated(np.stack(sums, axis=-1), sizes, values[0] - values[1])


def count_both(ours: Floats, theirs: Floats, sizes: Counts, draw: Draw) -> tuple[Counts, Counts]:
    """Return how many of `sizes` trials happen to each of two models: probabilities [...] to counts int64 [...]."""
    both = SAME_LUCK * np.minimum(ours, theirs) + (1 - SAME_LUCK) * ours * theirs
    kinds = np.stack([both, ours - both, theirs - both, 1 - ours - theirs + both], axis=-1)
    kinds = np.maximum(kinds, 0.0)
    counts = draw.multinomial(sizes, kinds / kinds.sum(axis=-1, keepdims=True))
    return counts[..., 0] + counts[..., 1], counts[..., 0] + counts[..., 2]


def _simulated(sums: npt.NDArray[np.generic], sizes: Counts, lead: float) -> SimulatedSums:
    return SimulatedSums(sums.astype(np.float64), sizes.astype(np.float64), float(lead))


def _draw_probabilities(world: World, draw: Draw, means: Floats, share: float, labels: tuple[int, ...]) -> Floats:
    """Return a probability of each speaker, label and model, [draws, speakers, *labels, 2], in Beta distributions.

    Their variance is `share` of mean · (1 - mean); labels of one speaker are alike by 0.5.
    """
    shape = (world.draws, world.speakers, *labels, 2)
    if share == 0:
        return np.broadcast_to(means, shape).copy()
    person = draw.standard_normal((world.draws, world.speakers, *(1,) * len(labels), 1))
    label = draw.standard_normal((*shape[:-1], 1))
    common = np.sqrt(0.5) * person + np.sqrt(0.5) * label if labels else person
    scores = np.sqrt(LIKENESS) * common + np.sqrt(1 - LIKENESS) * draw.standard_normal(shape)
    grid = np.linspace(-6, 6, 4001)
    precision = 1 / share - 1
    found = np.empty(shape)
    for place in np.ndindex(means.shape):
        mean = means[place]
        quantiles = special.betaincinv(mean * precision, (1 - mean) * precision, special.ndtr(grid))
        found[..., *place] = np.interp(scores[..., *place], grid, quantiles)
    return found


def _mix(world: World, draw: Draw, shape: tuple[int, ...]) -> Floats:
    """Return standard normal numbers [draws, speakers, utterances], alike within a speaker by the correlation."""
    person = draw.standard_normal((*shape[:2], 1))
    mixed: Floats = np.sqrt(world.correlation) * person + np.sqrt(1 - world.correlation) * draw.standard_normal(shape)
    return mixed
