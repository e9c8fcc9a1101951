"""A real Triton, a real ledger and a real gateway of a test's own, with a model of each family staged."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.services.servers import running
from voxloop.adapters.triton import TritonServer
from voxloop.gateway.keys import KeyBook
from voxloop.ledger.book import open_ledger
from voxloop.release.routes import Route, record_route
from voxloop.release.versions import serving_name
from voxloop.settings import Settings, child_environment, now
from voxloop.store.digests import digest_tree

CONFIG = ("--set", "requests_per_second=100000", "--set", "burst=100000")


@dataclass
class GatewayPlatform:
    """What a test asks.

    Args:
        settings: Of this platform alone.
        digests: Of the staged models, by a name for each: `asr`, `emotion`, `personality`, `other` (emotion too).
    """

    settings: Settings
    digests: dict[str, str] = field(default_factory=dict)
    acts: int = 0

    def make_key(self, *actions: str, tenant: str = "tests") -> str:
        return KeyBook(self.settings.gateway_keys).add(tenant, actions or ("asr", "emotion", "personality"), now())

    def route(self, task: str, model: str, **changes: Any) -> None:
        """Put a route in force."""
        self.acts += 1
        values: dict[str, Any] = {
            "weights": {self.digests[model]: 1.0},
            "shadow": None,
            "fallback": None,
            "is_on": True,
        }
        route = Route(task=task, salt="salt", **{**values, **changes})
        record_route(open_ledger(self.settings), route, act=f"route/test/{self.acts}", at=now())

    @property
    def log(self) -> Path:
        return self.settings.home / "gateway.log"

    @contextmanager
    def triton(self) -> Iterator[Any]:
        argv = [sys.executable, "-P", "-m", "voxloop.adapters.triton_start"]
        health = f"{self.settings.triton_url}/v2/health/ready"
        env = child_environment()
        with running(argv, health, self.settings.home / "triton.log", env=env) as process:
            yield process

    @contextmanager
    def gateway(self, *options: str) -> Iterator[Any]:
        argv = [sys.executable, "-P", "-m", "voxloop", "gateway", *CONFIG, *options]
        with running(argv, f"{self.settings.gateway_url}/healthz", self.log, env=child_environment()) as process:
            yield process

    def stage(self, name: str, task: str, model: Path) -> None:
        """Stage and load a model."""
        self.digests[name] = digest_tree(model)
        served = serving_name(task, self.digests[name])
        with TritonServer(self.settings) as server:
            server.stage(served, model, self.digests[name])
            server.load(served)

    def client(self, key: str | None) -> httpx.Client:
        return self._client(key, self.settings.gateway_url)

    def admin_client(self, key: str | None) -> httpx.Client:
        return self._client(key, self.settings.gateway_admin_url)

    def _client(self, key: str | None, url: str) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60)


def wait_for(condition: Callable[[], bool], seconds: float = 300, *, told: Callable[[], object] = str) -> float:
    """Return the seconds until a condition holds.

    Args:
        seconds: After which it is a failure: far above what it takes, where the time is not what is tested, for
            the machine may have other tests to run.
        told: What the failure says beside that.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not in {seconds:.0f} s: {told()}"
        time.sleep(0.02)
    return time.monotonic() - began


def body(answer: httpx.Response) -> dict[str, Any]:
    """Return a JSON body; of a problem all its parts must be there."""
    said: dict[str, Any] = json.loads(answer.content)
    if not answer.is_success and "title" in said:
        assert answer.headers["content-type"] == "application/problem+json"
        assert said.keys() == {"type", "title", "status", "detail", "rule", "remedy", "instance"}
        assert said["status"] == answer.status_code
        assert said["instance"].endswith(answer.headers["x-request-id"])
    return said
