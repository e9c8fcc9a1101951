"""WAV and FLAC files changed at random: refused, or read at the rate, length and channels they were written with.

One thing no reader can see: a WAV states its rate twice and its channels twice, and nothing else does. Edited at both
places so that they agree, it is another whole file. A ninth of the mutants get plausible values in one or two fields,
and about one in 500 of those comes out so; they are counted apart.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from tests.faults.mutated_audio import LIMITS as AUDIO
from tests.faults.mutated_audio import MUTATIONS, ORIGINALS, Outcome, make_original, try_mutant
from voxloop.data.decoding_pool import Death, DecodingPool, WorkerLimits
from voxloop.settings import Settings
from voxloop.speech.waveform import decode_audio

MUTANTS = 20_000
LIMITS = WorkerLimits(seconds=2.0, mebibytes=512)


def test_the_originals_are_sound() -> None:
    for number in range(ORIGINALS):
        original = make_original(number)
        samples = len(decode_audio(original.content, name=original.form, limits=AUDIO))
        assert abs(samples - original.frames * 16_000 / original.rate) < 2


@pytest.mark.timeout(1_800)
def test_no_mutant_is_read_as_something_else(settings: Settings, fault_seed: int) -> None:
    count = settings.trial_count(MUTANTS)
    pool: DecodingPool[int, Outcome] = DecodingPool(
        partial(try_mutant, fault_seed), LIMITS, preload=["tests.faults.mutated_audio"], batch=32
    )
    results = list(pool.run(range(count)))
    outcomes = [result for result in results if isinstance(result, Outcome)]
    deaths = Counter(result.reason for result in results if isinstance(result, Death))
    print(report(outcomes, deaths))
    assert len(results) == count
    assert [outcome for outcome in outcomes if outcome.differs and not outcome.forged] == []
    assert {outcome.mutation for outcome in outcomes if outcome.forged} <= {"edit_header"}
    assert sum(outcome.forged for outcome in outcomes) <= max(1, count // 1_000)
    assert max(outcome.wall_s for outcome in outcomes) <= 2.0
    assert not deaths, "a mutant crashed the decoder, hung it or ate its memory"
    assert {outcome.mutation for outcome in outcomes} == {mutation.__name__ for mutation in MUTATIONS}
    accepted = [outcome for outcome in outcomes if not outcome.reason]
    assert any(outcome.changed for outcome in accepted), "a check that refuses everything says nothing"


def report(outcomes: list[Outcome], deaths: Counter[str]) -> str:
    """Return the figures in lines."""
    accepted = [outcome for outcome in outcomes if not outcome.reason]
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.reason) + deaths
    lines = [
        f"{len(outcomes) + sum(deaths.values())} mutants: {len(accepted)} read, of them {sum(one.changed for one in accepted)} changed",
        f"refused: {dict(reasons.most_common())}",
        f"read, by mutation: {dict(Counter(one.mutation for one in accepted).most_common())}",
        f"read as something else: {sum(bool(one.differs) and not one.forged for one in outcomes)}",
        f"forged, two fields edited to agree: {sum(one.forged for one in outcomes)}",
        f"slowest {max(one.wall_s for one in outcomes):.3f} s",
        *(f"  {one.form} {one.mutation}: {one.differs}" for one in outcomes if one.differs),
    ]
    return "\n".join(lines)
