"""Models that must pass, or the gate is stuck shut; and the losses of known size that must not."""

from __future__ import annotations

from pathlib import Path

from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.noise import Noise, draw_weights


def better(bench: Bench, _folder: Path) -> Challenge:
    """Better by twice the margin, and asked to be better: the champion is the sound model with noise."""
    return Challenge(bench.model, bench.noisy, bench.gate_rows, is_reason=True, true_loss=-bench.loss)


def equal(bench: Bench, folder: Path) -> Challenge:
    """As good as the champion, not the champion: both err on as many utterances, on others each."""
    one, other = (
        Noise(bench.config.equal_share, draw_weights(bench, name)).apply(bench.model, folder / name)
        for name in ("one", "other")
    )
    return Challenge(one, other, bench.gate_rows)


def noise(bench: Bench, _folder: Path) -> Challenge:
    """The champion with noise that costs twice the margin where the gate never looks."""
    return Challenge(bench.noisy, bench.model, bench.gate_rows, true_loss=bench.loss)


def worse_for_a_reason(bench: Bench, folder: Path) -> Challenge:
    """Worse by a quarter of the margin, on the set that gave the reason: near enough elsewhere, not here.

    An equal model is no fault to try here: under superiority one of forty equal ones passes, by the level of the test.
    """
    slight = Noise(bench.share / 8.0, draw_weights(bench, "slight")).apply(bench.model, folder)
    return Challenge(slight, bench.model, bench.gate_rows, is_reason=True)


CONTROLS = {"better": better, "equal": equal}
