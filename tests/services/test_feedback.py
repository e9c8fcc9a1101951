"""Labels that come after the answer, through a real gateway."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import set_home
from tests.services.gateway_platform import GatewayPlatform, body, wait_for
from tests.services.test_gateway import SOUND, WAV
from voxloop.monitoring.labelled_answers import choose_writer, read_labelled
from voxloop.monitoring.request_ids import make_request_id
from voxloop.settings import find_project_root, get_settings, now

pytestmark = pytest.mark.slow  # a Triton and a gateway of its own

QUICK = ("--set", "predictions.batch_seconds=0.4")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, exports: Callable[[str], Path]) -> Iterator[GatewayPlatform]:
    with pytest.MonkeyPatch.context() as patch:
        if not (find_project_root() / ".venv-triton" / "bin" / "python").exists():
            pytest.skip("no Triton environment")
        platform = GatewayPlatform(set_home(patch, tmp_path_factory.mktemp("feedback")))
        with platform.triton():
            platform.stage("emotion", "emotion", exports("emotion"))
            platform.route("emotion", "emotion")
            yield platform
    get_settings.cache_clear()


def ask(client: httpx.Client) -> str:
    answer = client.post("/v1/emotion", content=SOUND, headers=WAV)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["request_id"])


def say(client: httpx.Client, request_id: str, **label: Any) -> httpx.Response:
    return client.post("/v1/feedback", json={"request_id": request_id, "label": label})


def read_kept(served: GatewayPlatform) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted(served.settings.feedback.rglob("*-*.json"))]


def require_joined(served: GatewayPlatform, labels: list[str], said: dict[str, tuple[str, str]]) -> None:
    """Have what the gateway wrote into two places joined again: by request what the label says, and who was answered."""
    write, at, settings = choose_writer("emotion", {}), now(), served.settings
    assert callable(write)
    digest, since = served.digests["emotion"], at - timedelta(hours=1)
    found = read_labelled(settings.feedback, settings.predictions, "emotion", digest, write, since=since, until=at)
    assert {one.request_id: (one.given, one.speaker) for one in found.answers} == said
    assert (list(found.labels), found.uncounted, found.unread) == (labels, {}, ())


def test_a_label_is_joined_by_request_id_and_waits_in_quarantine(served: GatewayPlatform) -> None:
    mine, stranger, judge = served.make_key("emotion"), served.make_key("emotion"), served.make_key("label", tenant="j")
    with served.gateway(*QUICK) as process:
        with served.client(mine) as client:
            request_id = ask(client)
            labels = sorted(client.post("/v1/emotion", content=SOUND, headers=WAV).json()["answer"]["probabilities"])
            first = say(client, request_id, emotion=labels[0])  # before its row is in a file
            assert (first.status_code, body(first)) == (
                201,
                {"request_id": request_id, "number": 1, "corrects": None, "state": "quarantine"},
            )
            assert say(client, request_id, emotion=labels[0]).status_code == 200
            assert body(say(client, request_id, emotion=labels[1]))["corrects"] == 1
            unlabelled = ask(client)
            wait_for(lambda: any(served.settings.predictions.glob("emotion/*/*/*.parquet")))
            for label, told in (
                ({"emotion": "gloom"}, "one of"),
                ({"text": "ja"}, "it has 'emotion'"),
                ({}, "nothing"),
            ):
                refused = say(client, unlabelled, **label)
                assert refused.status_code == 422
                assert told in f"{body(refused)['detail']} {body(refused)['rule']}"
            for unknown in (make_request_id(now()), "0" * 32):
                nobody = say(client, unknown, emotion=labels[0])
                assert (nobody.status_code, unknown in body(nobody)["detail"]) == (404, True)
            broken: list[tuple[int, dict[str, Any]]] = [
                (422, {"json": {"request_id": "../etc", "label": {}}}),
                (422, {"json": {"request_id": request_id}}),
                (422, {"json": [1]}),
                (422, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
                (415, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
                (413, {"content": b" " * 200_000, "headers": {"Content-Type": "application/json"}}),
            ]
            for status, sent in broken:
                answer = client.post("/v1/feedback", **sent)
                assert (answer.status_code, bool(body(answer)["detail"])) == (status, True), answer.text
        with served.client(stranger) as client:
            theirs = say(client, request_id, emotion=labels[0])
            assert theirs.status_code == 403
            assert "another key asked this" in body(theirs)["detail"]
        with served.client(judge) as client:
            assert client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 403
            assert body(say(client, request_id, emotion=labels[2]))["corrects"] == 2
        with served.client(None) as client:
            assert say(client, request_id, emotion=labels[0]).status_code == 401
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)
    with served.gateway(*QUICK), served.client(mine) as client:  # it remembers by its files alone
        late = say(client, unlabelled, emotion=labels[2])
        assert late.status_code == 201
        again = say(client, request_id, emotion=labels[2])
        assert body(again)["corrects"] == 3
    kept = [one for one in read_kept(served) if one["request_id"] == request_id]
    assert [(one["number"], one["label"]["emotion"], one["key_id"]) for one in kept] == [
        (1, labels[0], mine.split("_")[1]),
        (2, labels[1], mine.split("_")[1]),
        (3, labels[2], judge.split("_")[1]),
        (4, labels[2], mine.split("_")[1]),
    ]
    assert {one["model_digest"] for one in kept} == {served.digests["emotion"]}
    assert len(read_kept(served)) == 5
    # The newest label of a key counts, and both keys agree.
    require_joined(served, labels, dict.fromkeys((request_id, unlabelled), (labels[2], f"key {mine.split('_')[1]}")))


def test_without_a_log_there_is_nothing_to_label(served: GatewayPlatform) -> None:
    with served.gateway("--set", "predictions.is_on=false"), served.client(served.make_key()) as client:
        refused = say(client, ask(client), emotion="anger")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "not logged" in body(refused)["detail"]
