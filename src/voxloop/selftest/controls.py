"""Models that must pass, or the gate is stuck shut; and the losses of known size that must not."""

from __future__ import annotations

from pathlib import Path

from voxloop.selftest.bench import Bench
from voxloop.selftest.challenge import Challenge
from voxloop.selftest.noise import Noise, check_loss, draw_weights, find_share


def better(bench: Bench, folder: Path) -> Challenge:
    """Better by twice the margin, and asked to be better: the champion is the sound model with noise."""
    noisy, loss = _lose_twice_the_margin(bench, folder)
    return Challenge(bench.model, noisy, bench.gate_rows, is_reason=True, true_loss=-loss)


def equal(bench: Bench, folder: Path) -> Challenge:
    """As good as the champion, not the champion: both err on as many utterances, on others each."""
    one, other = (
        Noise(bench.config.equal_share, draw_weights(bench, name)).apply(bench.model, folder / name)
        for name in ("one", "other")
    )
    return Challenge(one, other, bench.gate_rows)


def noise(bench: Bench, folder: Path) -> Challenge:
    """The champion with noise that costs twice the margin where the gate never looks."""
    noisy, loss = _lose_twice_the_margin(bench, folder)
    return Challenge(noisy, bench.model, bench.gate_rows, true_loss=loss)


def no_better(bench: Bench, folder: Path) -> Challenge:
    """As good as the champion, where the reason for the retraining asks for a better one."""
    found = equal(bench, folder)
    return Challenge(found.model, found.champion, found.rows, is_reason=True)


def _lose_twice_the_margin(bench: Bench, folder: Path) -> tuple[Path, float]:
    loss = 2.0 * bench.margin
    weights = draw_weights(bench, "noise")
    noisy = Noise(find_share(bench, loss, weights), weights).apply(bench.model, folder)
    return noisy, check_loss(bench, noisy, loss)


CONTROLS = {"better": better, "equal": equal}
