"""10,000 resamples by speaker of the word error rate of 10,000 utterances, against a plain numpy loop.

Both are given the same rows (errors and words of each utterance, and a speaker's code) and the same drawn speakers,
and must give the same 10,000 rates. The peer is what one writes first: find each speaker's rows once, then for each
resample put the rows of the speakers drawn behind each other and divide their sums. Both on one thread of one core, in
turn, in processor seconds; for 40 speakers, and for 500.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from benchmarks.report import Finding
from voxloop.evaluation.moments import error_moments, sum_groups
from voxloop.evaluation.resampling import draw_speakers, resample_values
from voxloop.evaluation.summed_measures import WER

RESAMPLES = 10_000
UTTERANCES = 10_000
ROUNDS = 3
TARGET = 20.0

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def measure() -> list[Finding]:
    """Return the speed of each for 40 and for 500 speakers."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with threadpool_limits(1):
        return [compare(speakers) for speakers in (40, 500)]


def compare(speakers: int) -> Finding:
    """Return the resamples a processor second of each; both must say the same."""
    errors, words, codes = make_rows(speakers)
    drawn = draw_speakers(speakers, RESAMPLES, seed=1)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        rates, seconds = _time(lambda: resample_ours(errors, words, codes, drawn))
        ours.append(seconds)
        expected, seconds = _time(lambda: resample_plainly(errors, words, codes, drawn))
        theirs.append(seconds)
        assert np.array_equal(rates, expected), "the two differ"
    print(f"{speakers} speakers: ours {ours}, loop {theirs}", file=sys.stderr)
    what = f"WER of {UTTERANCES:,} utterances by {speakers} speakers: resamples a processor second"
    return Finding(what, RESAMPLES / min(ours), RESAMPLES / min(theirs), TARGET, "at least")


def make_rows(speakers: int) -> tuple[Floats, Floats, Codes]:
    """Return errors, words and speaker of each utterance; every speaker has one at least."""
    draw = np.random.default_rng(6)
    words = draw.integers(1, 30, UTTERANCES)
    codes = np.concatenate([np.arange(speakers), draw.integers(0, speakers, UTTERANCES - speakers)])
    return draw.binomial(words, 0.15).astype(np.float64), words.astype(np.float64), codes


def resample_ours(errors: Floats, words: Floats, codes: Codes, drawn: Codes) -> Floats:
    """Go from rows to rates as the platform does."""
    return resample_values(sum_groups(error_moments(errors, words), codes), WER, drawn)


def resample_plainly(errors: Floats, words: Floats, codes: Codes, drawn: Codes) -> Floats:
    """Put the drawn speakers' rows behind each other, resample by resample."""
    rows_of = [np.flatnonzero(codes == code) for code in range(int(codes.max()) + 1)]
    rates = np.empty(len(drawn))
    for place, who in enumerate(drawn):
        rows = np.concatenate([rows_of[code] for code in who])
        rates[place] = errors[rows].sum() / words[rows].sum()
    return rates


def _time(work: Callable[[], Floats]) -> tuple[Floats, float]:
    started = time.process_time()
    found = work()
    return found, time.process_time() - started


if __name__ == "__main__":
    for finding in measure():
        print(finding.as_json())
