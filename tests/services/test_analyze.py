"""The cascade as callers meet it: real gateway, Triton, ledger, and Feast with its SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import set_home
from tests.services.gateway_platform import GatewayPlatform, body, wait_for
from tests.services.test_gateway import SOUND, WAV, find_gateway, is_decoder, run_voxloop
from voxloop.adapters.feast import SCHEMAS
from voxloop.monitoring.prediction_log import read_window
from voxloop.settings import find_project_root, get_settings, now
from voxloop.tasks import FAMILIES

pytestmark = pytest.mark.slow  # Feast is imported and its declarations are applied: half a minute
NAMED = {**WAV, "X-Speaker-ID": "x"}
SPEAKER = "Ms Żółć, row 7"
ACTIONS = ("analyze", "emotion")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, exports: Callable[[str], Path]) -> Iterator[GatewayPlatform]:
    with pytest.MonkeyPatch.context() as patch:
        if not (find_project_root() / ".venv-triton" / "bin" / "python").exists():
            pytest.skip("no Triton environment")
        platform = GatewayPlatform(set_home(patch, tmp_path_factory.mktemp("analyze")))
        run_voxloop("features-publish")
        with platform.triton():
            for task in ("asr", "emotion", "personality"):
                platform.stage(task, task, exports(task))
                platform.route(task, task)
            with platform.gateway("--set", "profiles.seconds=60"):  # nobody's patience is tested here
                yield platform
    get_settings.cache_clear()


@pytest.fixture
def client(served: GatewayPlatform) -> Iterator[httpx.Client]:
    with served.client(served.make_key(*ACTIONS)) as client:
        wait_for(lambda: "problem" not in profile(client), told=lambda: profile(client))
        yield client


def profile(client: httpx.Client) -> dict[str, Any]:
    said: dict[str, Any] = analyze(client, "somebody")["profile"]
    return said


def analyze(client: httpx.Client, speaker: str = SPEAKER) -> dict[str, Any]:
    answer = client.post("/v1/analyze", files={"audio": SOUND}, data={"speaker_id": speaker, "language": "en"})
    assert answer.status_code == 200, answer.text
    return body(answer)


def test_a_profile_grows_with_each_utterance_and_is_a_tenants_own(
    served: GatewayPlatform, client: httpx.Client
) -> None:
    said = [analyze(client) for _ in range(3)]
    assert [one["profile"]["utterances"] for one in said] == [1, 2, 3]
    for family, part in (("asr", "words"), ("emotion", "emotion"), ("personality", "profile")):
        assert {one[part]["model_digest"] for one in said} == {served.digests[family]}
    alone = client.post("/v1/emotion", content=SOUND, headers=WAV).json()
    assert said[0]["emotion"]["answer"] == alone["answer"]
    assert "openness" in said[0]["profile"]["answer"]["traits"]
    before = count_speakers(served)
    with served.client(served.make_key(*ACTIONS, tenant="others")) as other:
        assert analyze(other)["profile"]["utterances"] == 1
    assert count_speakers(served) == before + 1
    assert analyze(client)["profile"]["utterances"] == 4
    assert count_speakers(served) == before + 1


def count_speakers(served: GatewayPlatform) -> int:
    """Return the speakers of Feast's online store; each has a row, and one utterance, the newest."""
    counts = set()
    with closing(sqlite3.connect(served.settings.home / "feast" / "online.db")) as store:
        for view in SCHEMAS:
            query = f'SELECT count(DISTINCT entity_key) FROM "voxloop_{view}"'  # noqa: S608 - a name of ours
            counts.add(store.execute(query).fetchone()[0])
    assert len(counts) == 1
    return int(counts.pop())


def test_each_part_is_a_row_of_the_prediction_log_and_no_file_has_the_speakers_id(
    served: GatewayPlatform, client: httpx.Client
) -> None:
    began = now()
    said = analyze(client)
    request_id = said["request_id"]
    rows: list[dict[str, Any]] = []

    def are_written() -> bool:
        rows.clear()
        for family in FAMILIES:
            window = read_window(served.settings.predictions, family, began, now() + timedelta(seconds=1))
            rows.extend(row for row in window.table.to_pylist() if row["request_id"] == request_id)
        return len(rows) == len(FAMILIES)

    label = {"request_id": request_id, "label": {"traits": {"openness": 4.0}}}
    assert client.post("/v1/feedback", json=label).status_code == 201
    wait_for(are_written)
    for label in ({"emotion": said["emotion"]["answer"]["emotion"]}, {"text": "one two"}):
        taken = client.post("/v1/feedback", json={"request_id": request_id, "label": label})
        assert (taken.status_code, taken.json()["number"]) == (201, 1), taken.text
    assert {row["family"]: row["model_digest"] for row in rows} == {one: served.digests[one] for one in FAMILIES}
    assert len({row["speaker"] for row in rows}) == 1
    with closing(sqlite3.connect(served.settings.heard_journal)) as journal:
        (speaker,) = journal.execute("SELECT speaker FROM heard WHERE utterance_id = ?", (request_id,)).fetchone()
    assert speaker == f"v1.{rows[0]['speaker']}"
    files = [path for path in served.settings.home.rglob("*") if path.is_file() and "triton/models" not in str(path)]
    assert served.settings.heard_journal in files
    assert [path for path in files if SPEAKER.encode() in path.read_bytes()] == []


def test_who_may_not_and_who_names_nobody_is_refused(served: GatewayPlatform, client: httpx.Client) -> None:
    nameless = client.post("/v1/analyze", content=SOUND, headers=WAV)
    assert nameless.status_code == 422
    assert body(nameless)["detail"] == "nobody is named who speaks"
    assert "x-speaker-id" in body(nameless)["remedy"]
    assert client.post("/v1/analyze", content=b"no sound", headers=NAMED).status_code == 422
    spoken = client.post("/v1/analyze", files={"audio": SOUND}, data={"speaker_id": "x", "text": "I love"})
    assert "words in the form" in body(spoken)["detail"]
    with served.client(served.make_key()) as other:
        refused = other.post("/v1/analyze", content=SOUND, headers=NAMED)
        assert refused.status_code == 403
        assert body(refused)["detail"] == "this key is not for analyze"
        described = other.get("/openapi.json").json()["paths"]["/v1/analyze"]["post"]["responses"]
    examples = described["200"]["content"]["application/json"]["examples"]
    assert examples["answered"]["value"]["profile"]["utterances"] == 3
    assert {"401", "403", "413", "415", "422", "429", "503"} <= described.keys()


def test_a_family_without_a_route_is_a_problem_of_its_part(served: GatewayPlatform, client: httpx.Client) -> None:
    def switch(*families: str, is_on: bool) -> None:
        for family in families:
            served.route(family, family, is_on=is_on)

    try:
        switch("asr", "personality", is_on=False)
        said = analyze(client, "without words")
        assert said["words"]["problem"]["status"] == 503
        assert said["words"]["problem"]["detail"] == "asr is switched off"
        assert said["words"]["problem"]["instance"].endswith(said["request_id"])
        assert said["emotion"]["model_digest"] == served.digests["emotion"]
        assert said["profile"]["problem"]["detail"] == "personality is switched off"
        assert said["profile"]["utterances"] == 1
        switch("emotion", is_on=False)
        nothing = client.post("/v1/analyze", content=SOUND, headers={**WAV, "X-Speaker-ID": "without words"})
        assert nothing.status_code == 503
        assert body(nothing)["detail"] == "neither words nor emotion: asr is switched off; emotion is switched off"
        assert nothing.headers["retry-after"] == "1"
    finally:
        switch("asr", "emotion", "personality", is_on=True)
        wait_for(lambda: client.post("/v1/analyze", content=SOUND, headers=NAMED).status_code == 200)
    assert analyze(client, "without words")["profile"]["utterances"] == 2


def test_a_killed_keeper_is_said_and_comes_back_by_itself(served: GatewayPlatform, client: httpx.Client) -> None:
    def warnings() -> str:
        return " ".join(client.get("/readyz").json()["warnings"])

    before = analyze(client, "survivor")["profile"]["utterances"]
    assert warnings() == ""
    keeper = find_keeper(served)
    keeper.suspend()  # it says no word more: what a caller is told does not hang on how soon another one has begun
    wait_for(lambda: "keeper" in warnings(), told=warnings)
    assert client.get("/readyz").status_code == 200
    said = analyze(client, "survivor")
    assert said["words"]["answer"].keys() == {"text", "confidence"}
    assert said["emotion"]["answer"]["emotion"]
    assert said["profile"]["problem"]["status"] == 503
    assert said["profile"]["problem"]["rule"] == "a profile is moved on by the keeper, a process beside the gateway"
    keeper.kill()
    keeper.wait(60)
    wait_for(lambda: warnings() == "", told=warnings)
    assert analyze(client, "survivor")["profile"]["utterances"] > before
    assert find_keeper(served).pid != keeper.pid


def test_a_profile_is_erased_while_the_gateway_runs(served: GatewayPlatform, client: httpx.Client) -> None:
    with served.client(served.make_key(*ACTIONS, tenant="others")) as other:
        before = [analyze(one, "Eve")["profile"]["utterances"] for one in (client, other, client)]
        run_voxloop("profiles", "erase", "--tenant", "tests", "--speaker", "Eve")
        after = [analyze(one, "Eve")["profile"]["utterances"] for one in (client, other)]
    assert (before, after) == ([1, 1, 2], [1, 2])


def find_keeper(served: GatewayPlatform) -> psutil.Process:
    """Return the one worker that gives way to the others."""
    gateway = find_gateway(served)
    workers = [one for one in gateway.children(recursive=True) if is_decoder(one, gateway)]
    (keeper,) = (one for one in workers if one.nice() > gateway.nice())
    return keeper
