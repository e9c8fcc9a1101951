"""A finding: something on which ledger, registry and server disagree, and what mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voxloop.errors import VoxloopError


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the ledger says.

    Args:
        text: What, for a person.
        mend: Puts it right; may be repeated. Raises `VoxloopError` where it cannot.
        problem: Why only a person can put it right.
    """

    text: str
    mend: Callable[[], object] | None = None
    problem: VoxloopError | None = None
