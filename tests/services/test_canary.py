"""A canary with real models: MLflow, Triton, a gateway under load, and the job itself."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.conftest import running_mlflow, set_home
from tests.services.approver import approve
from tests.services.gateway_platform import GatewayPlatform, wait_for
from tests.services.pipeline_folders import make_repository
from tests.services.test_gateway import SOUND, WAV
from tests.services.test_triton import aliases, do_register
from tests.soak import in_soak
from voxloop.adapters.triton import TritonServer
from voxloop.errors import InputError, RefusedError
from voxloop.jobs.canary import canary
from voxloop.jobs.deploy import deploy
from voxloop.jobs.reconcile import reconcile
from voxloop.jobs.route import route
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import Entry
from voxloop.release.canary_plan import read_plan
from voxloop.release.routes import find_route_row, route_of
from voxloop.release.versions import CHALLENGER, CHAMPION, FALLBACK, serving_name
from voxloop.settings import child_environment, find_project_root, get_settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")]
QUICK = ("--set", "predictions.batch_seconds=0.5")
WATCHED = ("least_rows=60", "look_seconds=1", "settle_seconds=4")
LOOSE = ("errors>20%", "latency_p50>50x", "distribution>60%")
KEYS = SPEAKERS = 40
"""A candidate given half of the keys is heard by fewer than the eight speakers it needs once in 50,000 draws of keys."""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayPlatform]:
    """A whole platform of its own, with a first champion and a second version that waits."""
    venv = find_project_root() / ".venv-triton"
    if not (venv / "bin" / "python").exists():
        pytest.skip("no Triton environment")
    monkeypatch.setenv("VOXLOOP_TRITON_VENV", str(venv))
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(make_repository(tmp_path / "checkout", find_project_root())))
    platform = GatewayPlatform(set_home(monkeypatch, tmp_path / "home"))
    with running_mlflow(platform.settings), platform.triton():
        champion = do_register(tmp_path / "1", task="emotion", gain=1.0).model_digest
        deploy(task="emotion")
        candidate = do_register(tmp_path / "2", task="emotion", gain=1.5, champion=champion).model_digest
        platform.digests |= {"champion": champion, "candidate": candidate}
        with platform.gateway(*QUICK):
            yield platform
    monkeypatch.undo()
    get_settings.cache_clear()


class Callers:
    """Callers with many keys and speakers who ask without a pause, and count what was answered."""

    def __init__(self, served: GatewayPlatform) -> None:
        self.statuses: list[int] = []
        self._keys = [served.make_key("emotion") for _ in range(KEYS)]
        self._served, self._ended = served, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(start,)) for start in range(3)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, start: int) -> None:
        with self._served.client(None) as client:
            for number in itertools.count(start, 3):
                if self._ended.is_set():
                    return
                headers = {**WAV, "X-API-Key": self._keys[number % KEYS], "X-Speaker-ID": f"s{number % SPEAKERS}"}
                try:
                    self.statuses.append(client.post("/v1/emotion", content=SOUND, headers=headers).status_code)
                except httpx.HTTPError:
                    self.statuses.append(0)


def try_candidate(period: str = "15s", *, percent: float = 50.0, rules: tuple[str, ...] = LOOSE) -> int:
    return canary("emotion", version=2, percent=percent, period=period, abort_if=rules, overrides=WATCHED)


def standing(served: GatewayPlatform) -> Entry:
    row = find_route_row(open_ledger(served.settings).read(), "emotion")
    assert row is not None
    return row


def is_canary(served: GatewayPlatform) -> bool:
    return read_plan(standing(served)) is not None


def start_command(*, percent: str = "50", period: str = "15s") -> subprocess.Popen[str]:
    argv = [sys.executable, "-P", "-m", "voxloop", "canary", "emotion", "--version", "2", "--percent", percent]
    argv += ["--for", period, *(part for rule in LOOSE for part in ("--abort-if", rule))]
    argv += [part for change in WATCHED for part in ("--set", change)]
    return subprocess.Popen(argv, env=child_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def later(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_canary_that_is_bad_or_unclear_goes_and_a_good_one_takes_over(
    served: GatewayPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    before = standing(served)
    require_askings_refused()
    assert standing(served) == before

    assert try_candidate("2s") == 1, "nobody asks: nothing can be told"
    assert "0 rows of 0 speakers" in capsys.readouterr().out
    assert route_of(standing(served)) == route_of(before)
    require_withdrawn(served)

    approve("emotion", 2, "approved")
    with Callers(served) as callers:
        breaker = later(partial(break_candidate, served))
        began = time.monotonic()
        assert try_candidate("300s") == 1, "its model is gone from the server: it aborts by itself, and early"
        took = time.monotonic() - began
        breaker.join()
        said = capsys.readouterr().out
        assert "errors>20%: FAIL" in said
        assert took < 200
        assert route_of(standing(served)) == route_of(before)
        assert "errors>20%: FAIL" in str(standing(served).content["because"])
        time.sleep(2)
        failed_before = len([status for status in callers.statuses if status != 200])
        time.sleep(2)
        assert len([status for status in callers.statuses if status != 200]) == failed_before
    print(f"aborted after {took:.0f} s; {failed_before} of {len(callers.statuses)} requests had failed")

    approve("emotion", 2, "approved")
    with Callers(served) as callers:
        mender = later(partial(reconcile_in_between, served))
        code = try_candidate("20s")
        mender.join()
    said = capsys.readouterr().out
    assert code == 0, said
    print(said)
    assert "takes over" in said
    assert set(callers.statuses) == {200}
    assert dict(route_of(standing(served)).weights) == {served.digests["candidate"]: 1.0}
    assert aliases(served.settings, "emotion") == {CHAMPION: 2, FALLBACK: 1, CHALLENGER: None}
    with pytest.raises(RefusedError):
        try_candidate()


def require_askings_refused() -> None:
    with pytest.raises(InputError, match="no rule to abort by"):
        try_candidate(rules=())
    with pytest.raises(InputError, match="that is a shadow"):
        try_candidate(rules=("agreement<90%",))
    with pytest.raises(InputError, match="--percent 100"):
        try_candidate(percent=100)


def require_withdrawn(served: GatewayPlatform) -> None:
    champion = serving_name("emotion", served.digests["champion"])
    assert deploy(task="emotion") == champion, "what went is approved no more: the next wake-up does not deploy it"
    with pytest.raises(RefusedError, match="is not approved"):
        try_candidate()


def break_candidate(served: GatewayPlatform) -> None:
    wait_for(lambda: is_canary(served))
    name = serving_name("emotion", served.digests["candidate"])
    with TritonServer(served.settings) as server:
        server.unload(name)


def reconcile_in_between(served: GatewayPlatform) -> None:
    wait_for(lambda: is_canary(served))
    row = standing(served)
    assert reconcile(task="emotion") == 0
    assert deploy(task="emotion") == serving_name("emotion", served.digests["champion"]), "it waits for the canary"
    assert standing(served).sequence >= row.sequence


@in_soak("minutes of waiting for two canaries")
def test_killed_it_goes_on_and_a_shadow_answers_nobody(
    served: GatewayPlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    with Callers(served) as callers:
        first = start_command()
        wait_for(lambda: is_canary(served))
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        row = standing(served)
        assert read_plan(row) is not None, "it stays in force until somebody comes"
        again = start_command()
        said, _ = again.communicate(timeout=500)
        assert f"goes on, until {read_plan(row).until}" in said  # type: ignore[union-attr]
        assert again.returncode == 0, said
    assert set(callers.statuses) == {200}
    assert dict(route_of(standing(served)).weights) == {served.digests["candidate"]: 1.0}

    route("emotion", on=False, because="a drill")
    assert "emotion is off" in capsys.readouterr().out
    with served.client(served.make_key()) as client:
        ask: Callable[[], Any] = lambda: client.post("/v1/emotion", content=SOUND, headers=WAV)  # noqa: E731
        wait_for(lambda: ask().status_code == 503, 5)
        route("emotion", on=True, because="it is over")
        wait_for(lambda: ask().status_code == 200, 5)


@in_soak("a platform of a minute, and canaries are tried beside")
def test_a_shadow_is_compared_request_by_request(served: GatewayPlatform, capsys: pytest.CaptureFixture[str]) -> None:
    with Callers(served) as callers:
        code = try_candidate("20s", percent=0, rules=("agreement<80%", "errors>20%"))
    said = capsys.readouterr().out
    assert code == 0, said
    print(said)
    assert "agreement<80%: PASS" in said
    assert set(callers.statuses) == {200}
