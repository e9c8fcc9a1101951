"""The two keys of Triton: one to ask models, one to load them. What it answers without either: serving/README.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import IntegrityError, VoxloopError
from voxloop.store.runner_key import KEY_BYTES, write_new_key

if TYPE_CHECKING:
    from voxloop.settings import Settings

KEY_HEADER = "x-voxloop-key"
# Triton's own names for groups of routes; `health` alone is in neither.
# Loading a model can carry file overrides, which is running code; shared memory, trace and logging have no user.
CONTROL = "model-repository,shared-memory,trace,logging"
INFERENCE = "inference,metadata,model-config,statistics"


def list_locks(settings: Settings) -> Iterator[str]:
    """Give the values of `--http-restricted-api` and of its gRPC twin, which may be given several times."""
    yield f"{CONTROL}:{KEY_HEADER}={read_control_key(settings)}"
    yield f"{INFERENCE}:{KEY_HEADER}={read_inference_key(settings)}"


def make_control_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of a request that lists, loads or unloads models."""
    return {KEY_HEADER: read_control_key(settings)}


def make_inference_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of a request that asks a model, or what it is."""
    return {KEY_HEADER: read_inference_key(settings)}


def read_control_key(settings: Settings) -> str:
    """Return the key that Triton asks for before it loads or unloads; made on first use, its owner's alone."""
    return _read(_folder(settings) / "control.key")


def read_inference_key(settings: Settings) -> str:
    """Return the key that Triton asks for before a model answers, or says what it is; made in the same way."""
    return _read(_folder(settings) / "inference.key")


def other_key(settings: Settings, what: str) -> VoxloopError:
    """Return the error of a Triton that answers 403: trying again does not help.

    Args:
        settings: Say where Triton and the keys are.
        what: Was asked for; a model's name.
    """
    return VoxloopError(
        f"Triton at {settings.triton_url} does not take the key for {what}",
        rule=f"it takes the keys that lay in {_folder(settings)} when it was started: inference.key to be asked, "
        "control.key to load",
        remedy="`voxloop down` and `voxloop up` start it and the gateway with those that lie there now; if it was "
        "started in another home, set VOXLOOP_HOME to that",
    )


def _folder(settings: Settings) -> Path:
    return settings.home / "triton"


def _read(path: Path) -> str:
    if not path.exists():
        write_new_key(path)
    if len(key := path.read_bytes()) != KEY_BYTES:
        raise IntegrityError(
            f"{path} holds {len(key)} bytes",
            rule=f"a key of Triton has {KEY_BYTES}",
            remedy="remove it, `voxloop down`, `voxloop up`: a new one is made",
        )
    return key.hex()
