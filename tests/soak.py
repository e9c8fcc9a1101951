"""What `make soak` alone runs: a commit is tested within an hour, and this is what it leaves out, each with its reason."""

from __future__ import annotations

import pytest

from voxloop.settings import Settings

WHOLE = Settings().trials >= 1
"""Whether checks that count do so to their whole figure."""


def in_soak(why: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where figures are not whole.

    Args:
        why: What it costs, or what else holds the same promise.
    """
    return pytest.mark.skipif(not WHOLE, reason=f"{why}: in `make soak`")
