"""Promotions under load: no request fails, and each is answered by a model in force between its arrival and answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.services import swap_callers
from tests.services.gateway_platform import GatewayPlatform
from tests.services.test_gateway import make_sound
from tests.services.test_triton import do_register
from voxloop.jobs.deploy import deploy
from voxloop.settings import Settings

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"), pytest.mark.slow]
SWAPS, CALLERS = 100, 16


@pytest.mark.timeout(3600)
def test_a_hundred_swaps_under_load_lose_no_request(
    platform: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway, swaps = GatewayPlatform(platform), platform.trial_count(SWAPS)
    champion = swap(tmp_path, 0, None)
    with gateway.gateway(), start_callers(gateway, tmp_path / "told.json") as callers:
        for number in range(1, swaps + 1):
            champion = swap(tmp_path, number, champion)
        time.sleep(1)
        callers.terminate()
        assert callers.wait(120) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert len(told["routes"]) == swaps + 1
    with capsys.disabled():
        print(f"{swaps} swaps, {len(told['answers'])} requests by {CALLERS} callers")
    assert Counter(explain(*one) for one in told["answers"] if one[2] != 200) == {}
    assert find_untimely(told["answers"], told["routes"]) == []
    assert len({digest for _, _, _, digest in told["answers"]}) > swaps / 2, "the load was there while it was swapped"


def swap(root: Path, number: int, champion: str | None) -> str:
    """Register, approve and deploy another version; return its digest."""
    made = do_register(root / str(number), task="emotion", gain=1 + number / 128, champion=champion)
    deploy(task="emotion")
    return made.model_digest


def explain(_began: float, _ended: float, status: int, said: str) -> str:
    """Return what a failed request was told, without what is its own."""
    return f"{status}: {re.sub('[0-9a-f]{32,}', '…', said)}"


def start_callers(gateway: GatewayPlatform, out: Path) -> subprocess.Popen[bytes]:
    """Start the callers and return when they ask."""
    url, ledger = f"{gateway.settings.gateway_url}/v1/emotion", gateway.settings.ledger / "ledger.sqlite"
    process = subprocess.Popen(
        [sys.executable, swap_callers.__file__, url, str(ledger), str(out), str(CALLERS)],
        env={**os.environ, "GATEWAY_KEY": gateway.make_key("emotion")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(make_sound())
    process.stdin.close()
    assert process.stdout.readline() == b"asking\n"
    return process


def find_untimely(answers: list[Any], routes: list[Any]) -> list[Any]:
    """Return the answers by a model that was not in force at any moment from a request's arrival to its answer.

    A model is in force from its row's commit, which is not before the row says it was written, to the commit of the
    next, which is not after that was seen.
    """
    begins = {digest: written for digest, written, _ in routes}
    ends = {before[0]: after[2] for before, after in pairwise(routes)}
    return [
        (began, ended, digest)
        for began, ended, _, digest in answers
        if digest not in begins or ended < begins[digest] or began > ends.get(digest, float("inf"))
    ]


def test_an_answer_by_who_was_replaced_before_is_untimely() -> None:
    routes = [("a", 0.0, 0.1), ("b", 10.0, 10.1), ("c", 20.0, 20.1)]
    timely = [(1, 2, 200, "a"), (9, 11, 200, "a"), (9, 11, 200, "b"), (10.05, 11, 200, "a"), (30, 31, 200, "c")]
    assert find_untimely(timely, routes) == []
    untimely = [(10.2, 11, 200, "a"), (1, 2, 200, "b"), (20.2, 21, 200, "b"), (1, 2, 200, "d")]
    assert len(find_untimely(untimely, routes)) == len(untimely)
