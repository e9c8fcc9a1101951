"""What goes wrong between us and Triton, as our errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING

from voxloop.adapters.triton_keys import other_key
from voxloop.errors import InputError, ServiceUnavailableError, VoxloopError

if TYPE_CHECKING:
    from voxloop.settings import Settings

REFUSED = ("400", "StatusCode.INVALID_ARGUMENT")
LOCKED = "403"
ABSENT = ("unknown model", "is not ready", "Failed to process the request", "Stub process")
"""What Triton says of a model that is not loaded, is being unloaded, or whose process has ended."""


@contextmanager
def translated(settings: Settings, what: str) -> Iterator[None]:
    """Raise what Triton's client raises inside as errors of ours.

    Args:
        settings: Say where Triton is.
        what: Is asked for; a model's name.

    Raises:
        ServiceUnavailableError: Triton does not answer, or does not serve it.
        InputError: Triton refuses the request.
        VoxloopError: It takes another key, or failed otherwise.
    """
    from tritonclient.utils import InferenceServerException

    broken: tuple[type[Exception], ...] = (OSError, HTTPException, *_broken_connections())
    try:
        yield
    except broken as silent:
        raise unavailable(settings, type(silent).__name__) from None
    except InferenceServerException as failed:
        if failed.status() == LOCKED:
            raise other_key(settings, what) from None
        reason = " ".join((failed.message() or "no reason given").split())
        if any(word in reason for word in ABSENT):
            raise ServiceUnavailableError(
                f"Triton at {settings.triton_url} does not serve {what}",
                remedy="run `voxloop deploy`, which serves the champion again",
            ) from None
        kind = InputError if failed.status() in REFUSED else VoxloopError
        raise kind(f"Triton refused {what}: {reason[:400]}") from None


def _broken_connections() -> tuple[type[Exception], ...]:
    """Return what aiohttp raises, where it is in use, when an answer breaks off: no OSError, all of it."""
    aiohttp = sys.modules.get("aiohttp")
    return () if aiohttp is None else (aiohttp.ClientError,)


def unavailable(settings: Settings, cause: str) -> ServiceUnavailableError:
    """Return the error of a Triton that does not answer."""
    return ServiceUnavailableError(
        f"Triton does not answer at {settings.triton_url} ({cause})",
        rule="models are served there",
        remedy="look at `voxloop status`, start it with `voxloop up`",
    )
