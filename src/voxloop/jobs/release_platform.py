"""The systems a release works on, joined: MLflow, Triton, the signing key and the ledger of one machine."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from voxloop.adapters.triton import TritonServer
    from voxloop.release.systems import Platform, Reference
    from voxloop.settings import Settings


@contextmanager
def hold_platform(settings: Settings) -> Iterator[Platform]:
    """Wait for this machine's model repository and hold it alone.

    Raises:
        ServiceUnavailableError: Triton does not answer.
    """
    from voxloop.adapters.triton import TritonServer
    from voxloop.store.lock import hold_lock

    with hold_lock(settings.home / "triton" / "deploy.lock"), TritonServer(settings) as server:
        server.require_ready()
        yield join_platform(settings, server)


def join_platform(settings: Settings, server: TritonServer) -> Platform:
    """Return everything a release works on."""
    from voxloop.adapters.gateway_front import GatewayFront
    from voxloop.adapters.mlflow_registry import MlflowRegistry
    from voxloop.adapters.model_signing import FolderSigner
    from voxloop.ledger.book import open_ledger
    from voxloop.release.policy import load_release_policy
    from voxloop.release.systems import Platform
    from voxloop.settings import now

    return Platform(
        registry=MlflowRegistry(settings),
        server=server,
        signatures=FolderSigner(settings),
        ledger=open_ledger(settings),
        place=read_place(settings),
        clock=now,
        front=GatewayFront(settings),
        budgets=load_release_policy().probe,
        open_reference=open_reference,
    )


def open_reference(folder: Path) -> Reference:
    """Open a model folder as evaluation does: ONNX Runtime and the family are loaded by who promotes alone."""
    from voxloop.evaluation.serving_reference import ServingReference

    return ServingReference(folder)


def read_place(settings: Settings) -> str:
    """Return the name of this machine's model repository, drawn once by the first who holds its lock."""
    from voxloop.store.atomic import write_file

    path = settings.home / "triton" / "place"
    if not path.exists():
        write_file(path, secrets.token_hex(8))
    return path.read_text(encoding="utf-8")
