"""The gateway as callers meet it: real uvicorn, real Triton, real ledger, real keys."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import soundfile
from fastapi import FastAPI
from starlette.routing import Route

from tests.conftest import set_home
from tests.services.gateway_platform import GatewayPlatform, body, wait_for
from tests.services.pipeline_folders import write_model
from tests.services.test_triton import said_alike
from tests.soak import WHOLE
from voxloop.adapters.triton import TritonServer
from voxloop.config import find_config, load_config
from voxloop.gateway.administration import METRICS
from voxloop.gateway.app import build_app
from voxloop.gateway.config import GatewayConfig
from voxloop.gateway.guard import OPEN, Guard
from voxloop.release.versions import serving_name
from voxloop.settings import child_environment, find_project_root, get_settings
from voxloop.speech.waveform import decode_audio, to_int16

SECONDS = 1.3


def make_sound(form: str = "WAV", seconds: float = SECONDS, rate: int = 16_000) -> bytes:
    time = np.arange(int(seconds * rate)) / rate
    sound = 0.3 * np.sin(2 * np.pi * 160 * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
    stream = io.BytesIO()
    soundfile.write(stream, sound, rate, format=form, subtype="VORBIS" if form == "OGG" else "PCM_16")
    return stream.getvalue()


SOUND = make_sound()
UP_TO_DATE_SECONDS = 1.0 if WHOLE else 20.0
"""In which a route is in force, and a rollback from its command on; what is promised is looked at where no other test has the processor (`make soak`)."""
WAV = {"Content-Type": "audio/wav"}
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, exports: Callable[[str], Path]) -> Iterator[GatewayPlatform]:
    with pytest.MonkeyPatch.context() as patch:
        venv = find_project_root() / ".venv-triton"
        if not (venv / "bin" / "python").exists():
            pytest.skip("no Triton environment")
        settings = set_home(patch, tmp_path_factory.mktemp("gateway"))
        platform = GatewayPlatform(settings)
        with platform.triton():
            for task in ("asr", "emotion", "personality"):
                platform.stage(task, task, exports(task))
                platform.route(task, task)
            write_model(other := tmp_path_factory.mktemp("models") / "other", task="emotion", gain=3.0)
            platform.stage("other", "emotion", other)
            with platform.gateway():
                yield platform
    get_settings.cache_clear()


@pytest.fixture
def client(served: GatewayPlatform) -> Iterator[httpx.Client]:
    with served.client(served.make_key()) as client:
        yield client


@pytest.mark.parametrize("family", ["asr", "emotion"])
@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
def test_a_sound_is_answered_as_its_family_decodes_it(
    served: GatewayPlatform, client: httpx.Client, family: str, form: str
) -> None:
    sound = make_sound(form, rate=24_000)
    answer = client.post(f"/v1/{family}", content=sound, headers={"Content-Type": f"audio/{form.lower()}"})
    said = body(answer)
    assert answer.status_code == 200, said
    assert said["model_digest"] == served.digests[family]
    assert said["request_id"] == answer.headers["x-request-id"]
    with TritonServer(served.settings) as server:
        name = serving_name(family, served.digests[family])
        model = server.read_model(name)
        request = model.make_request({"text": None}, to_int16(decode_audio(sound)))
        assert said_alike(said["answer"], model.decode(server.answer(name, request)))
    again = client.post(f"/v1/{family}", files={"audio": ("sound", sound)})
    assert again.json()["answer"] == said["answer"]
    assert again.json()["request_id"] != said["request_id"]


@pytest.mark.slow  # a machine that never measured prosody compiles for it
def test_personality_measures_a_sound(served: GatewayPlatform, client: httpx.Client) -> None:
    words = {"text": "I love parties!", "language": "en"}
    answers = [
        client.post("/v1/personality", json=words),
        client.post("/v1/personality", content=SOUND, headers=WAV),
        client.post("/v1/personality", files={"audio": SOUND}, data=words),
    ]
    assert [answer.status_code for answer in answers] == [200] * 3, answers[-1].text
    assert len({answer.json()["answer"]["traits"]["openness"] for answer in answers}) == 3


def test_personality_reads_words_and_numbers(served: GatewayPlatform, client: httpx.Client) -> None:
    words = {"text": "I love parties!", "language": "en"}
    answers = [
        client.post("/v1/personality", json=words),
        client.post("/v1/personality", json={**words, "features": {"f0_mean_hz": 250.0}}),
        client.post("/v1/personality", json={"features": {"pause_share": 0.7}}),
    ]
    said = [body(answer) for answer in answers]
    assert [answer.status_code for answer in answers] == [200] * 3, said
    traits = [tuple(one["answer"]["traits"].values()) for one in said]
    assert len(set(traits)) == 3
    nothing = client.post("/v1/personality", json={"text": "żadne znane słowo", "language": "pl"})
    assert nothing.status_code == 422
    assert "nothing it knows" in body(nothing)["detail"]


def test_what_cannot_be_answered_is_said_with_rule_and_remedy(served: GatewayPlatform, client: httpx.Client) -> None:
    big = b"\0" * 12_000_001
    cases: list[tuple[int, dict[str, Any], str]] = [
        (415, {"content": SOUND}, "content-type"),
        (415, {"json": {"text": "words"}}, "application/json"),
        (422, {"content": b"", "headers": WAV}, "no sound"),
        (422, {"content": b"no sound at all", "headers": WAV}, "not audio"),
        (422, {"content": make_sound(seconds=61.0, rate=8_000), "headers": WAV}, "too long"),
        (422, {"content": make_sound(seconds=0.1), "headers": WAV}, "too short"),
        (413, {"content": big, "headers": WAV}, "12000001"),
        (413, {"content": iter([big]), "headers": WAV}, "more than 12000000"),
        (422, {"files": {"file": SOUND}}, "a part 'file'"),
        (422, {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data"}}, "form"),
        (422, {"files": {"audio": SOUND}, "data": {"text": "words"}}, "words in the form"),
    ]
    for status, request, told in cases:
        answer = client.post("/v1/emotion", **request)
        said = body(answer)
        assert (answer.status_code, told in f"{said['detail']} {said['rule']}") == (status, True), said
    for path, method, status in (("/v1/emotion", "GET", 405), ("/v1/sorrow", "POST", 404), ("/docs", "GET", 404)):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert body(answer)["remedy"]


def test_without_a_key_there_is_nothing_but_health(served: GatewayPlatform) -> None:
    gateway = build_app(served.settings, load_config(GatewayConfig, find_config("gateway")))
    wrong = served.make_key()[:-1] + "~"
    with served.client(None) as callers, served.admin_client(None) as runners:
        for nobody, guard, opened in ((callers, gateway.public, set(OPEN)), (runners, gateway.admin, set[str]())):
            paths = find_paths(guard) | {"/", *OPEN, METRICS, "/docs", "/nowhere", "//healthz"}
            answered = set()
            for path, method in product(paths, METHODS):
                for headers in (
                    {},
                    {"Authorization": f"Bearer {wrong}"},
                    {"X-API-Key": "vxl_"},
                    {"Authorization": "Basic eDp5"},
                ):
                    answer = nobody.request(method, path, headers=headers)
                    if answer.status_code != 401:
                        answered.add((path, method))
                    else:
                        assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answered == set(product(opened, METHODS))
        assert callers.get("/healthz").json()["status"] == "alive"
        assert callers.get("/readyz").json()["status"] == "ready"


def find_paths(guard: Guard) -> set[str]:
    """Return the path of every route of one of the gateway's two applications."""
    app = guard.app
    assert isinstance(app, FastAPI)
    return {route.path for route in app.routes if isinstance(route, Route)}


def test_a_key_is_for_its_actions_and_until_it_is_revoked(served: GatewayPlatform) -> None:
    key = served.make_key("emotion")
    with served.client(key) as client:
        assert client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 200
        refused = client.post("/v1/asr", content=SOUND, headers=WAV)
        assert refused.status_code == 403
        assert body(refused)["detail"] == "this key is not for asr"
        with served.admin_client(key) as admin:
            assert admin.get("/metrics").status_code == 403
        run_voxloop("keys", "revoke", key.split("_")[1])
        assert client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 401


def run_voxloop(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "voxloop", *arguments],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_keys_are_made_listed_and_kept_as_hashes_alone(served: GatewayPlatform) -> None:
    key = run_voxloop("keys", "add", "a-tenant", "--actions", "asr", "--actions", "metrics").strip()
    kept = served.settings.gateway_keys
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    secret = key.rsplit("_", 1)[-1] if key.count("_") == 2 else key[21:]
    listed = run_voxloop("keys", "list")
    assert f"{key.split('_')[1]}  a-tenant  asr,metrics" in listed
    for text in (kept.read_text(), listed, served.log.read_text()):
        assert secret not in text
    with served.client(key) as client, served.admin_client(key) as admin:
        figures = admin.get("/metrics").text
        assert 'voxloop_gateway_route_on{family="asr"} 1.0' in figures
        assert 'place="other"' in figures or 'place="/v1/emotion"' in figures
        described = client.get("/openapi.json").json()
    assert {f"/v1/{place}" for place in ("asr", "emotion", "personality", "analyze", "feedback")} <= described[
        "paths"
    ].keys()
    examples = described["paths"]["/v1/asr"]["post"]["responses"]
    assert examples["200"]["content"]["application/json"]["example"]["answer"]["text"]
    assert {"401", "413", "415", "422", "429", "503"} <= examples.keys()


def test_what_is_for_who_runs_it_answers_on_a_port_of_its_own_alone(served: GatewayPlatform) -> None:
    key = served.make_key("metrics", "emotion")
    with served.client(key) as client, served.admin_client(key) as admin, served.admin_client(None) as nobody:
        for path in ("/metrics", "//metrics", "/metrics/", "/v1/../metrics", "/METRICS", "/%6detrics"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert b"voxloop_gateway" not in answer.content
        assert "/metrics" not in client.get("/openapi.json").json()["paths"]
        before = served.log.read_text().count("listening on")
        assert f"listening on 127.0.0.1:{served.settings.ports.gateway_admin}" in served.log.read_text()
        assert before == 2
        told = admin.get("/metrics")
        assert told.status_code == 200
        assert 'voxloop_gateway_requests_total{place="/metrics",status="404"}' not in told.text
        for path in ("/metrics", "/healthz", "/readyz", "/v1/emotion", "/openapi.json", "/docs", "/"):
            refused = nobody.get(path)
            assert refused.status_code == 401, path
            assert body(refused)["remedy"]
            if path != "/metrics":
                assert admin.post(path).status_code == 404, path


def test_both_ports_are_of_this_machine_alone(served: GatewayPlatform) -> None:
    gateway = find_gateway(served)
    addresses = {one.laddr for one in gateway.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    ports = served.settings.ports
    assert addresses == {("127.0.0.1", ports.gateway), ("127.0.0.1", ports.gateway_admin)}


def test_a_new_route_is_taken_up_within_a_second(served: GatewayPlatform, client: httpx.Client) -> None:
    def is_answered_by(digest: str) -> bool:
        return who() == digest

    def who() -> str:
        return str(client.post("/v1/emotion", content=SOUND, headers=WAV).json().get("model_digest"))

    for model in ("other", "emotion", "other", "emotion"):
        served.route("emotion", model)
        assert wait_for(partial(is_answered_by, served.digests[model])) < UP_TO_DATE_SECONDS
    weights = {served.digests["emotion"]: 0.5, served.digests["other"]: 0.5}
    served.route("emotion", "emotion", weights=weights, shadow=None)
    keys = [served.make_key() for _ in range(12)]
    wait_for(lambda: len(answerers(served, keys)) == 2)
    for key in keys[:3]:
        assert len(answerers(served, [key] * 5)) == 1  # sticky by who asks
    served.route("emotion", "emotion", is_on=False)
    assert (
        wait_for(lambda: client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 503) < UP_TO_DATE_SECONDS
    )
    off = client.post("/v1/emotion", content=SOUND, headers=WAV)
    assert "emotion is switched off" in body(off)["detail"]
    assert off.headers["retry-after"] == "1"
    served.route("emotion", "emotion", shadow=served.digests["other"])
    assert wait_for(lambda: who() == served.digests["emotion"]) < UP_TO_DATE_SECONDS
    served.route("emotion", "emotion")


def test_from_the_command_to_the_fallback_answering(
    served: GatewayPlatform, client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    served.route("emotion", "emotion", fallback=served.digests["other"])

    def who() -> str:
        return str(client.post("/v1/emotion", content=SOUND, headers=WAV).json().get("model_digest"))

    assert who() == served.digests["emotion"]
    command = [str(Path(sys.executable).with_name("voxloop")), "rollback", "emotion", "--because", "it swears"]
    with subprocess.Popen(command, env=child_environment(), stdout=subprocess.DEVNULL) as process:
        took = wait_for(lambda: who() == served.digests["other"], told=lambda: f"ended with {process.poll()}")
        process.kill()  # what follows mirrors the row in an MLflow, which is not there
    with capsys.disabled():
        print(f"from command to the fallback answering through the gateway: {took:.2f} s")
    assert took < UP_TO_DATE_SECONDS
    served.route("emotion", "emotion")


def answerers(served: GatewayPlatform, keys: list[str]) -> set[str]:
    found = set()
    for key in keys:
        with served.client(key) as client:
            found.add(client.post("/v1/emotion", content=SOUND, headers=WAV).json()["model_digest"])
    return found


def test_with_the_ledger_away_the_last_known_routes_stay(served: GatewayPlatform, client: httpx.Client) -> None:
    ledger, aside = served.settings.ledger, served.settings.home / "ledger-aside"
    ledger.rename(aside)
    try:
        wait_for(lambda: client.get("/readyz").status_code == 503)
        assert "ledger" in client.get("/readyz").json()["problems"][0]
        assert client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 200
    finally:
        shutil.rmtree(ledger, ignore_errors=True)
        aside.rename(ledger)
    wait_for(lambda: client.get("/readyz").status_code == 200)


def test_with_its_decoders_killed_the_gateway_goes_on(served: GatewayPlatform, client: httpx.Client) -> None:
    assert client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 200
    for _ in range(3):
        gateway = find_gateway(served)
        decoders = [one for one in gateway.children(recursive=True) if is_decoder(one, gateway)]
        assert decoders
        for process in decoders:
            process.kill()
        psutil.wait_procs(decoders, 10)
        codes = {client.post("/v1/emotion", content=SOUND, headers=WAV).status_code for _ in range(4)}
        assert codes == {200}


def find_gateway(served: GatewayPlatform) -> psutil.Process:
    port = served.settings.ports.gateway
    (pid,) = {one.pid for one in psutil.net_connections("tcp") if one.laddr[1:2] == (port,) and one.status == "LISTEN"}
    return psutil.Process(pid)


def is_decoder(process: psutil.Process, gateway: psutil.Process) -> bool:
    """Whether it is a leaf of the server of workers: that server too has its name in the command line."""
    try:
        return "forkserver" in " ".join(process.cmdline()) and process.ppid() != gateway.pid
    except psutil.NoSuchProcess:  # a zombie, or gone
        return False


@pytest.mark.slow  # a gateway of its own
def test_a_key_that_asks_too_often_is_told_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = GatewayPlatform(set_home(monkeypatch, tmp_path / "home"))
    with platform.gateway("--set", "requests_per_second=0.5", "--set", "burst=3"):
        with platform.client(platform.make_key()) as client:
            answers = [client.post("/v1/emotion", content=SOUND, headers=WAV) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [503] * 3 + [429] * 2
        assert "emotion has no route" in body(answers[0])["detail"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 3
        with platform.client(platform.make_key()) as other:
            assert other.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 503
        platform.settings.gateway_keys.chmod(0o644)
        with platform.client("vxl_") as anybody:
            assert "may be used by others" in body(anybody.post("/v1/asr"))["detail"]
    get_settings.cache_clear()


@pytest.mark.slow  # a Triton of its own, twice
def test_a_killed_triton_is_said_and_answers_come_back_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = find_project_root() / ".venv-triton"
    if not (venv / "bin" / "python").exists():
        pytest.skip("no Triton environment")
    platform = GatewayPlatform(set_home(monkeypatch, tmp_path / "home"))
    key = platform.make_key()
    with platform.gateway(), platform.client(key) as client:
        with platform.triton() as process:
            write_model(tmp_path / "model", task="emotion", gain=1.0)
            platform.stage("other", "emotion", tmp_path / "model")
            platform.route("emotion", "other")
            wait_for(lambda: client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 200)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            for _ in range(5):
                away = client.post("/v1/emotion", content=SOUND, headers=WAV)
                assert away.status_code == 503
                assert away.headers["retry-after"] == "1"
                assert "Triton" in body(away)["detail"]
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (503, "problems")
        with platform.triton():
            wait_for(lambda: client.post("/v1/emotion", content=SOUND, headers=WAV).status_code == 200)
            assert client.get("/readyz").status_code == 200
    assert key not in platform.log.read_text()
    get_settings.cache_clear()
