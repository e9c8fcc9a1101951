"""Baselines that are run by the same command, on the same folds: a name is a file here.

A peer is a module with either `TASK`, a family to be trained by our engine, or `answer_fold`, which learns from a
fold's rows by itself.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

from voxloop.errors import InputError

_NO_PEERS = {"peer_fold", "recurrent"}


def peer_names() -> list[str]:
    """Return the names of the baselines there are, loading none."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.replace("_", "-") for name in found if name not in _NO_PEERS)


def load_peer(name: str, task: str) -> ModuleType:
    """Load the baseline of a name.

    Raises:
        InputError: There is none, or it is one of another task.
    """
    if name not in peer_names():
        raise InputError(
            f"no baseline {name!r}", rule=f"the baselines are {', '.join(peer_names())}", remedy="name one of them"
        )
    peer = import_module(f"{__name__}.{name.replace('-', '_')}")
    if task != peer.FAMILY:
        raise InputError(
            f"the baseline {name} is one of {peer.FAMILY}", rule=f"asked was for {task}", remedy="name another"
        )
    return peer
