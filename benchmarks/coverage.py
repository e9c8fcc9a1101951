"""How often the intervals of `voxloop.evaluation` hold what they say, on simulated speakers whose truth is known.

Prints how often the 95 % interval of one model's lead over another holds the true lead, for three measures, speakers
who say equally much or not, and intra-speaker correlations; and how often a model is found superior to its equal at
one-sided 2.5 %. `benchmarks/simulated_speakers.py` says what is simulated, `docs/statistics.md` what follows.

Of 4,000 draws with a coverage of exactly 0.95 one cell in 270 is off by more than 0.01 by chance, hence 40,000.
Speakers who say 5 to 200 utterances are shown and not held to the bound: there no method that was tried keeps it
everywhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, get_args

import numpy as np
from scipy import stats

from benchmarks.bootstrap_t import bootstrap_t_interval
from benchmarks.report import Finding
from benchmarks.simulated_speakers import (
    Draw,
    SimulatedSums,
    Talk,
    World,
    agreement_sums,
    emotion_sums,
    recogniser_sums,
)
from voxloop.evaluation.intervals import Studentised, jackknife
from voxloop.evaluation.resampling import draw_speakers, resample_values
from voxloop.evaluation.summed_measures import CCC, UAR, WER, Measure, paired

LEVEL = 0.95
SPEAKERS = (6, 9, 24, 40)
CORRELATIONS = (0.0, 0.1, 0.3)
TALKS: tuple[Talk, ...] = get_args(Talk)
ALIKE: tuple[Talk, ...] = ("25", "10 to 40")
DRAWS = 40_000
DRAWS_SHOWN = 4_000
PAIRS = 2_000
CHUNK = 1_000
SEED = 11

Simulate = Callable[[World, Draw], SimulatedSums]
SIMULATIONS: dict[str, tuple[Measure, Simulate]] = {
    "wer": (WER, recogniser_sums),
    "uar": (UAR, emotion_sums),
    "ccc": (CCC, agreement_sums),
}
EQUALS: dict[str, tuple[Measure, Simulate]] = {
    "wer": (WER, lambda world, draw: recogniser_sums(world, draw, (0.15, 0.15))),
    "uar": (UAR, lambda world, draw: emotion_sums(world, draw, ((0.7, 0.7), (0.6, 0.6), (0.8, 0.8), (0.5, 0.5)))),
    "ccc": (CCC, lambda world, draw: agreement_sums(world, draw, (0.9, 0.9), (0.5, 0.5))),
}


class Cell(NamedTuple):
    """One cell of the table: what was simulated, and the share of draws whose interval holds the true lead."""

    measure: str
    talk: Talk
    speakers: int
    correlation: float
    coverage: float


def main(arguments: list[str]) -> int:
    """Print both tables and the findings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="test sets a cell (default %(default)s)")
    parser.add_argument("--methods", action="store_true", help="compare three methods on 1,000 draws a cell, and end")
    parser.add_argument("--rare", action="store_true", help="show where errors are rare, and end")
    parser.add_argument("--seed", type=int, default=SEED, help="of every draw (default %(default)s)")
    asked = parser.parse_args(arguments)
    if asked.methods:
        return print_methods(asked.seed)
    if asked.rare:
        return print_rare(asked.seed)
    found = list(measure_coverage(asked.draws, asked.seed))
    print_coverage(found)
    highest = 0.0
    for name in EQUALS:
        for speakers in SPEAKERS:
            false, bound = measure_false_superiority(name, PAIRS, asked.seed, speakers)
            highest = max(highest, bound)
            print(f"equal models, {name}, {speakers} speakers: superior {false} times of {PAIRS}, at most {bound:.4f}")
    worst = max(abs(cell.coverage - LEVEL) for cell in found if cell.talk in ALIKE)
    what = f"coverage of the 95 % interval, {asked.draws} draws: farthest from 0.95"
    falsely = Finding("false superiority at one-sided 2.5 %: upper 95 % bound", round(highest, 4), 0.05, 1.0, "at most")
    print(falsely.as_json())
    print(Finding(what, round(worst, 4), 0.01, 1.0, "at most").as_json())
    return 0


def measure_coverage(draws: int, seed: int) -> Iterator[Cell]:
    """Yield the cells of the table one by one."""
    for name in SIMULATIONS:
        for talk in TALKS:
            for speakers in SPEAKERS:
                for correlation in CORRELATIONS:
                    count = draws if talk in ALIKE else min(draws, DRAWS_SHOWN)
                    share = cover(name, World(count, speakers, correlation, talk), seed)
                    yield Cell(name, talk, speakers, correlation, share)


def cover(name: str, world: World, seed: int) -> float:
    """Return the share of draws whose interval holds the true lead; one that cannot tell does not."""
    hits = 0
    for found, lead in _studentise(*SIMULATIONS[name], world, seed):
        low, high = found.ends(LEVEL)
        hits += int(np.sum((low <= lead) & (lead <= high)))
    return hits / world.draws


def measure_false_superiority(name: str, pairs: int, seed: int, speakers: int) -> tuple[int, float]:
    """Return how often one of two equal models is found superior, and at most how often (Clopper-Pearson, 95 %)."""
    world = World(pairs, speakers, 0.1)
    false = sum(int(np.sum(found.p_value(0.0) <= 0.025)) for found, _ in _studentise(*EQUALS[name], world, seed))
    return false, float(stats.binomtest(false, pairs).proportion_ci(0.95, method="exact").high)


def print_coverage(found: list[Cell]) -> None:
    """Print a line for each measure, talk and number of speakers."""
    print(f"{'measure':8} {'utterances':11} {'speakers':8} " + " ".join(f"{f'rho {rho}':>8}" for rho in CORRELATIONS))
    for start in range(0, len(found), len(CORRELATIONS)):
        cells = found[start : start + len(CORRELATIONS)]
        shares = " ".join(f"{cell.coverage:8.4f}" for cell in cells)
        print(f"{cells[0].measure:8} {cells[0].talk:11} {cells[0].speakers:8d} {shares}")


def print_methods(seed: int) -> int:
    """Print how often three 95 % intervals hold the true lead at correlation 0.1, and median widths."""
    print(f"{'measure':8} {'utterances':11} {'speakers':8} {'jackknife-t':>15} {'bootstrap-t':>15} {'percentile':>15}")
    for name in SIMULATIONS:
        for talk in TALKS[1:]:
            for speakers in (6, 9, 24):
                found = compare_methods(name, World(1_000, speakers, 0.1, talk), seed)
                shown = " ".join(f"{share:7.3f} {width:7.4f}" for share, width in found)
                print(f"{name:8} {talk:11} {speakers:8d} {shown}", flush=True)
    return 0


def print_rare(seed: int) -> int:
    """Print how often a challenger with 2 % WER is said to be less behind one with 1 % than it is: 2.5 % is asked."""
    print(f"{'speakers':8} " + " ".join(f"{f'rho {rho}':>8}" for rho in CORRELATIONS))
    for speakers in SPEAKERS:
        shares = []
        for correlation in CORRELATIONS:
            draw = np.random.default_rng((seed, speakers, round(100 * correlation)))
            sets = recogniser_sums(World(8_000, speakers, correlation), draw, (0.02, 0.01))
            low, _ = jackknife(sets.sums, paired(WER), sets.sizes).ends(LEVEL)
            shares.append(f"{np.mean(low > sets.lead):8.4f}")
        print(f"{speakers:8d} " + " ".join(shares))
    return 0


def compare_methods(name: str, world: World, seed: int) -> list[tuple[float, float]]:
    """Return coverage and median width of jackknife-t, bootstrap-t and percentile bootstrap, 999 resamples each."""
    measure, simulate = paired(SIMULATIONS[name][0]), SIMULATIONS[name][1]
    sets = simulate(world, np.random.default_rng((seed, world.speakers)))
    drawn = draw_speakers(world.speakers, 999, seed)
    ours = np.stack(jackknife(sets.sums, measure, sets.sizes).ends(LEVEL), axis=-1)
    studentised = np.array([bootstrap_t_interval(one, measure, drawn, level=LEVEL)[1:3] for one in sets.sums])
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    plain = np.array([np.quantile(resample_values(one, measure, drawn), tails) for one in sets.sums])
    return [
        (
            float(np.mean((ends[:, 0] <= sets.lead) & (sets.lead <= ends[:, 1]))),
            float(np.median(ends[:, 1] - ends[:, 0])),
        )
        for ends in (ours, studentised, plain)
    ]


def _studentise(measure: Measure, simulate: Simulate, world: World, seed: int) -> Iterator[tuple[Studentised, float]]:
    """Yield the studentised leads of some of the draws, and the true lead, until all are drawn."""
    key = (seed, world.speakers, round(100 * world.correlation), TALKS.index(world.talk))
    draw = np.random.default_rng(key)
    for start in range(0, world.draws, CHUNK):
        part = World(min(CHUNK, world.draws - start), world.speakers, world.correlation, world.talk)
        sets = simulate(part, draw)
        yield jackknife(sets.sums, paired(measure), sets.sizes), sets.lead


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
