"""What happens in a simulated month, drawn from the seed alone: which drifts when and how strongly, which decoys.

Known to the process that talks and to the one that keeps the score, to nobody else. Days are cut into spans of four
and more, each with a quiet part, in which a decoy falls, then one drift, which lasts until the next one begins: it has
`DETECTION` windows to be answered in, and no other drift begins within them.

    span:  │ quiet, a decoy │ drift begins ── to be answered ──┤ served by what came of it │ next span
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.random import Generator

from voxloop.local.simulation.config import SPAN_DAYS, WINDOWS_A_DAY, require_days

DETECTION = 8
"""Windows after a drift began in which it is to be answered: two days."""
QUIET = 2
"""Windows at least between the begin of a span and its drift."""
FOLLOWED = 4
"""Windows at least that are left of a span once its drift must have been answered: a new reference takes as many."""
NOISY_SHARE = 1 / 6
"""Of a window of six hours: one loud hour."""
FEW_SHARE = 0.25
"""Of the callers of a window: those of a weekend."""


class DecoyKind(StrEnum):
    """What is unusual, and no reason to train."""

    LOUD_HOUR = "one loud hour"
    FEW_CALLERS = "few callers"
    ONE_STRANGER = "one new speaker"


@dataclass(frozen=True)
class Drift:
    """Production changes for good.

    Args:
        kind: As `configs/simulation` names it.
        strength: A number of that kind.
        begins: Window.
    """

    kind: str
    strength: float
    begins: int

    @property
    def answered_by(self) -> int:
        """The window before which it is to be answered."""
        return self.begins + DETECTION


@dataclass(frozen=True)
class Decoy:
    """Something unusual for a while: windows [begins, ends)."""

    kind: DecoyKind
    begins: int
    ends: int


@dataclass(frozen=True)
class Window:
    """What is to be heard in one window.

    Args:
        number: From 0.
        drift: In force; None before the first.
        decoy: In this window; None in most.
        labels: Of which drift labelled speech arrives at its end; None in most.
    """

    number: int
    drift: Drift | None
    decoy: Decoy | None
    labels: Drift | None


@dataclass(frozen=True)
class Scenario:
    """The script of some days.

    Args:
        seed: It was drawn from.
        windows: How many there are before the first that may drift (of these the reference is made), and in all.
        drifts: By time.
        decoys: By time.
        labels: The window at whose end labelled speech of each drift arrives, in the order of `drifts`.
    """

    seed: int
    windows: tuple[int, int]
    drifts: tuple[Drift, ...]
    decoys: tuple[Decoy, ...]
    labels: tuple[int, ...]

    def window(self, number: int) -> Window:
        """Return what is to be heard in a window."""
        drift = next((one for one in reversed(self.drifts) if one.begins <= number), None)
        decoy = next((one for one in self.decoys if one.begins <= number < one.ends), None)
        arriving = dict(zip(self.labels, self.drifts, strict=True))
        return Window(number, drift, decoy, arriving.get(number))


def draw_scenario(
    days: int, seed: int, strengths: Mapping[str, tuple[float, float]], *, quiet_windows: int
) -> Scenario:
    """Draw the script of a simulation.

    Args:
        days: Of it, after the windows that the reference is made of.
        seed: Everything is a function of it.
        strengths: From and to, of each kind of drift.
        quiet_windows: Before the first day: of them the reference is made.

    Raises:
        InputError: There are too few days for a drift.
    """
    require_days(days)
    draw = _generator(seed)
    total, count = days * WINDOWS_A_DAY, max(1, days // SPAN_DAYS)
    starts = [quiet_windows + total * place // count for place in range(count + 1)]
    kinds = _draw_kinds(sorted(strengths), count, draw)
    drifts, decoys, labels = [], [], []
    for kind, start, end in zip(kinds, starts, starts[1:], strict=False):
        begins = int(draw.integers(start + QUIET, end - DETECTION - FOLLOWED + 1))
        drifts.append(Drift(kind, round(float(draw.uniform(*strengths[kind])), 3), begins))
        decoys.append(_draw_decoy(start, begins, draw))
        labels.append(begins + int(draw.integers(0, 3)))
    return Scenario(seed, (quiet_windows, quiet_windows + total), tuple(drifts), tuple(decoys), tuple(labels))


def _draw_kinds(kinds: list[str], count: int, draw: Generator) -> list[str]:
    """Return kinds in an order by chance, none twice before all were there, and never the same twice in a row."""
    chosen: list[str] = []
    while len(chosen) < count:
        order = [kinds[place] for place in draw.permutation(len(kinds))]
        if chosen and len(kinds) > 1 and order[0] == chosen[-1]:
            order = [*order[1:], order[0]]
        chosen += order
    return chosen[:count]


def _draw_decoy(start: int, end: int, draw: Generator) -> Decoy:
    """Draw a decoy that is over before the drift of its span begins."""
    kind = list(DecoyKind)[int(draw.integers(len(DecoyKind)))]
    most = {DecoyKind.LOUD_HOUR: 1, DecoyKind.FEW_CALLERS: 2 * WINDOWS_A_DAY, DecoyKind.ONE_STRANGER: 2}[kind]
    length = min(most, end - start)
    begins = int(draw.integers(start, end - length + 1))
    return Decoy(kind, begins, begins + length)


def _generator(seed: int) -> Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"simulation/{seed}".encode()).digest()[:16]))
