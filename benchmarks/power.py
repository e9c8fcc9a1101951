"""How often a better recogniser is found superior: the power curve of `speaker_lead`, over gains and speakers.

The champion's word error rate is 15 %, of 8 words an utterance; each speaker has an error rate of their own
(intra-speaker correlation 0.1) and a gain of their own, normal with the gain asked for as its mean. Utterances are
dealt out equally, each model's errors are its own luck (no pairing within an utterance, which is the harder case). A
model counts as found when the lower end of the 95 % interval of its lead lies above 0.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from scipy import special

from benchmarks.report import Finding
from voxloop.evaluation.intervals import jackknife
from voxloop.evaluation.summed_measures import WER, paired

BASE = 0.15
WORDS = 8
CORRELATION = 0.1
UTTERANCES = 2_000
SPEAKERS = 40
GAIN = 0.02
GAIN_SPREAD = 0.02
MANY_SPEAKERS = (6, 9, 16, 24, 40, 80)
GAINS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03)
DRAWS = 4_000
SEED = 12


def main(arguments: list[str]) -> int:
    """Print the curve and the finding."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.power", description=__doc__)
    parser.add_argument("--utterances", type=int, default=UTTERANCES, help="of all speakers (default %(default)s)")
    parser.add_argument("--gain-spread", type=float, default=GAIN_SPREAD, help="SD over speakers (default %(default)s)")
    parser.add_argument("--draws", type=int, default=DRAWS, help="test sets a cell (default %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of every draw (default %(default)s)")
    asked = parser.parse_args(arguments)
    print(f"found superior, of {asked.draws} test sets of {asked.utterances} utterances; absolute gain in WER")
    print(f"{'speakers':8} " + " ".join(f"{gain:8.3f}" for gain in GAINS))
    for speakers in MANY_SPEAKERS:
        shares = [
            measure_power(speakers, gain, asked.draws, asked.seed, asked.utterances, asked.gain_spread)
            for gain in GAINS
        ]
        print(f"{speakers:8d} " + " ".join(f"{share:8.4f}" for share in shares))
    ours = measure_power(SPEAKERS, GAIN, asked.draws, asked.seed, asked.utterances, asked.gain_spread)
    what = f"power for {GAIN} of WER, {SPEAKERS} speakers, {asked.utterances} utterances"
    print(Finding(what, ours, 0.9, 1.0, "at least").as_json())
    return 0


def measure_power(
    speakers: int,
    gain: float,
    draws: int,
    seed: int,
    utterances: int = UTTERANCES,
    gain_spread: float = GAIN_SPREAD,
) -> float:
    """Return the share of test sets on which a challenger better by `gain` is found superior at one-sided 2.5 %."""
    draw = np.random.default_rng((seed, speakers, round(1e6 * gain)))
    sizes = np.full((draws, speakers), utterances // speakers)
    sizes[:, : utterances % speakers] += 1
    words = sizes * WORDS
    share = CORRELATION / (1 - CORRELATION) / WORDS
    precision = 1 / (share / (1 + share)) - 1
    champion = special.betaincinv(BASE * precision, (1 - BASE) * precision, draw.random((draws, speakers)))
    challenger = np.clip(champion - draw.normal(gain, gain_spread, (draws, speakers)), 0.0, 1.0)
    sums = np.stack([draw.binomial(words, challenger), words, draw.binomial(words, champion), words], axis=-1)
    found = jackknife(sums.astype(np.float64), paired(WER), sizes.astype(np.float64))
    return float(np.mean(found.p_value(0.0) <= 0.025))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
