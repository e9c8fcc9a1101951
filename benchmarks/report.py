"""How a benchmark says what it found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Args:
        what: What was compared, with its unit.
        ours: Our figure.
        peer: The peer's figure, same unit.
        target: The bound on the ratio ours / peer.
        bound: Whether the ratio must stay at most, or at least, at the target.
    """

    what: str
    ours: float
    peer: float
    target: float
    bound: Literal["at most", "at least"]

    @property
    def ratio(self) -> float:
        """Return ours / peer."""
        return self.ours / self.peer

    @property
    def holds(self) -> bool:
        """Return whether the ratio keeps its bound."""
        return self.ratio <= self.target if self.bound == "at most" else self.ratio >= self.target

    def as_json(self) -> str:
        """Return the one line a benchmark ends in."""
        return json.dumps({**asdict(self), "ratio": round(self.ratio, 4), "holds": self.holds})
