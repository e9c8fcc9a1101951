"""Every route and method of Triton, asked without a key and with each of the two: nothing but a written list answers.

The list is a table in serving/README.md; the routes are those that the server's own program names.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from tests.conftest import free_ports, set_home
from tests.services.gateway_platform import GatewayPlatform, body, wait_for
from tests.services.pipeline_folders import LABELS, write_model
from tests.services.test_gateway import SOUND, WAV
from voxloop.adapters.triton import TritonServer
from voxloop.adapters.triton_async import AsyncTriton
from voxloop.adapters.triton_keys import KEY_HEADER, read_control_key, read_inference_key
from voxloop.adapters.triton_ready import is_served
from voxloop.adapters.triton_runtime import prepare
from voxloop.errors import VoxloopError
from voxloop.release.versions import serving_name
from voxloop.settings import Settings, find_project_root, get_settings

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "MADE-UP")
REFUSALS = {
    403: b'{"error":"This API is restricted, expecting header \'x-voxloop-key\'"}',
    404: b'{"error":"Not Found"}',
    405: b'{"error":"Method Not Allowed"}',
}
"""What Triton says where it says nothing, by status."""
CONTROL = re.compile(r"/v2/(repository|systemsharedmemory|cudasharedmemory|logging)\b|.*/trace/setting$")
CONTROL_METHODS = re.compile(r".*/(Repository\w+|\w+SharedMemory\w+|LogSettings|TraceSetting)$")
FREE_METHODS = re.compile(r".*/(ServerLive|ServerReady|ModelReady|Check|Watch)$")
ROW = re.compile(r"^\| (HTTP|gRPC|metrics) \| ([^|]+) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayPlatform]:
    """A Triton with a model, in an environment that asks it for a port of Vertex AI as well."""
    with pytest.MonkeyPatch.context() as patch:
        venv = find_project_root() / ".venv-triton"
        if not (venv / "bin" / "python").exists():
            pytest.skip("no Triton environment")
        vertex = {"MODE": "PREDICTION", "HEALTH_ROUTE": "/h", "PREDICT_ROUTE": "/p", "HTTP_PORT": str(free_ports(1)[0])}
        for name, value in vertex.items():
            patch.setenv(f"AIP_{name}", value)
        platform = GatewayPlatform(set_home(patch, tmp_path_factory.mktemp("keys")))
        with platform.triton() as process:
            write_model(folder := tmp_path_factory.mktemp("models") / "model", task="emotion", gain=1.0)
            platform.stage("emotion", "emotion", folder)
            yield platform
            assert process.poll() is None, platform.settings.home.joinpath("triton.log").read_text()[-2000:]
    get_settings.cache_clear()


@pytest.fixture
def model(served: GatewayPlatform) -> str:
    return serving_name("emotion", served.digests["emotion"])


@cache
def read_program(settings: Settings) -> bytes:
    """Return the server's program, which holds its routes as text."""
    return prepare(settings).read_bytes()


def list_paths(settings: Settings, model: str) -> list[str]:
    """Return every path that the HTTP server knows, with the model's name for every name."""
    patterns = re.findall(rb"(?<=\0)/v2[\x21-\x7e]*(?=\0)", read_program(settings))
    return sorted({path for pattern in patterns for path in fill(pattern.decode(), model)})


def fill(pattern: str, name: str) -> Iterator[str]:
    """Give every path that a regular expression of Triton's takes: with and without what is optional, each choice."""
    pattern = pattern.replace("([^/]+)", name).replace("([0-9]+)", "1")
    group = re.search(r"\((?:\?:)?([^()]*)\)(\??)", pattern)
    if group is None:
        yield pattern
        return
    for choice in [*group[1].split("|"), *([""] if group[2] else [])]:
        yield from fill(pattern[: group.start()] + choice + pattern[group.end() :], name)


def list_procedures(settings: Settings) -> list[str]:
    """Return every procedure of the gRPC server."""
    found = re.findall(rb"/(?:inference\.GRPCInferenceService|grpc\.health\.v1\.Health)/\w+", read_program(settings))
    return sorted({name.decode() for name in found})


def read_list(port: str) -> set[str]:
    """Return what the documentation says is answered without a key."""
    text = (find_project_root() / "serving" / "README.md").read_text(encoding="utf-8")
    return {place for row in ROW.finditer(text) if row[1] == port for place in re.findall("`([^`]+)`", row[2])}


def write_request() -> bytes:
    """Return a request that the model would answer."""
    inputs = [
        {"name": "waveform", "shape": [1, 800], "datatype": "FP32", "data": [0.1] * 800},
        {"name": "num_samples", "shape": [1, 1], "datatype": "INT64", "data": [800]},
    ]
    return json.dumps({"inputs": inputs}).encode()


def send(port: int, method: str, path: str, key: str | None) -> tuple[int, bytes]:
    """Return status and content of an answer; a connection that is closed without one is 0."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"} | ({} if key is None else {KEY_HEADER: key})
    try:
        connection.request(method, path, write_request() if method == "POST" else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.RemoteDisconnected:
        return 0, b""
    finally:
        connection.close()


def is_refused(status: int, content: bytes) -> bool:
    """Return whether an answer says that there is nothing for this caller, and nothing else."""
    return status == 0 or (content in (b"", REFUSALS.get(status)) and status in REFUSALS)


def call(settings: Settings, procedure: str, key: str | None) -> tuple[grpc.StatusCode, str]:
    """Return the status of a call with an empty message, and what was said to it."""

    def same(message: bytes) -> bytes:
        return message

    metadata = () if key is None else ((f"triton-grpc-protocol-{KEY_HEADER}", key),)
    with grpc.insecure_channel(f"127.0.0.1:{settings.ports.triton_grpc}") as channel:
        try:
            if procedure.endswith("ModelStreamInfer"):
                list(channel.stream_stream(procedure, same, same)(iter([b""]), metadata=metadata, timeout=60))
            else:
                channel.unary_unary(procedure, same, same)(b"", metadata=metadata, timeout=60)
        except grpc.RpcError as refused:
            return refused.code(), refused.details() or ""
    return grpc.StatusCode.OK, ""


def is_locked(status: grpc.StatusCode, details: str) -> bool:
    return status is grpc.StatusCode.UNAVAILABLE and "is restricted" in details


WRONG_KEYS: dict[str, Callable[[str], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "other": lambda _: "0" * 64,
    "cut": lambda key: key[:-1],
    "longer": lambda key: f"{key}0",
    "louder": str.upper,
}


def test_the_program_names_its_routes(served: GatewayPlatform, model: str) -> None:
    """That nothing was overlooked: all that is documented of KServe v2 and of Triton's own is among them."""
    paths, procedures = list_paths(served.settings, model), list_procedures(served.settings)
    below = ("", "/infer", "/generate", "/generate_stream", "/ready", "/config", "/stats", "/trace/setting")
    assert set(paths) >= {f"/v2/models/{model}{version}{end}" for version in ("", "/versions/1") for end in below}
    assert set(paths) >= {"/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats", "/v2/logging"}
    assert set(paths) >= {"/v2/repository/index", f"/v2/repository/models/{model}/load", "/v2/trace/setting"}
    assert set(paths) >= {f"/v2/{kind}sharedmemory/status" for kind in ("system", "cuda")}
    names = {name.rpartition("/")[2] for name in procedures}
    assert names >= {"ModelInfer", "ModelStreamInfer", "ModelConfig", "RepositoryModelLoad", "ServerLive", "Check"}


@pytest.mark.parametrize("wrong", WRONG_KEYS)
def test_nothing_but_the_list_answers_without_a_key(served: GatewayPlatform, model: str, wrong: str) -> None:
    settings = served.settings
    key = WRONG_KEYS[wrong](read_inference_key(settings))
    answered = {}
    for path in list_paths(settings, model):
        for method in METHODS:
            status, content = send(settings.ports.triton_http, method, path, key)
            if not is_refused(status, content):
                answered[f"{method} {path}"] = (status, content)
    listed = {place.replace("NAME", model).replace("NUMBER", "1") for place in read_list("HTTP")}
    assert len(listed) == 4
    assert answered == dict.fromkeys(listed, (200, b""))


@pytest.mark.parametrize(
    "path",
    [
        "//v2",
        "/v2/",
        "/V2/models/NAME/config",
        "/v2/models/NAME/config/",
        "/v2//models/NAME/config",
        "/v2/./models/NAME/config",
        "/v2/health/../models/NAME/config",
        "/v2/models/NAME/%63onfig",
        "/v2/models/NAME/ready/../config",
        "/v2/models/NAME/config?health=ready",
        "/v2/models/NAME/config;/ready",
        "http://127.0.0.1/v2/models/NAME/config",
        "/v2/models/stats?x",
        "/metrics",
        "/p",
    ],
)
def test_no_other_spelling_of_a_route_gets_round_the_key(served: GatewayPlatform, model: str, path: str) -> None:
    for method in METHODS:
        status, content = send(served.settings.ports.triton_http, method, path.replace("NAME", model), None)
        assert is_refused(status, content), (method, status, content)


def test_a_model_that_is_not_loaded_says_that_alone(served: GatewayPlatform) -> None:
    told = send(served.settings.ports.triton_http, "GET", "/v2/models/none/ready", None)
    assert told == (400, b'{"error":"Model version not ready"}')


def test_neither_key_opens_what_the_other_does(served: GatewayPlatform, model: str) -> None:
    settings = served.settings
    control, inference = read_control_key(settings), read_inference_key(settings)
    paths = list_paths(settings, model)
    free = {place.split()[1].replace("NAME", model).replace("NUMBER", "1") for place in read_list("HTTP")}
    controlled = [path for path in paths if CONTROL.match(path)]
    asked = [path for path in paths if not CONTROL.match(path) and path not in free]
    assert len(controlled) > 10 < len(asked)
    for key, closed in ((inference, controlled), (control, asked)):
        for path in closed:
            for method in METHODS:
                status, content = send(settings.ports.triton_http, method, path, key)
                assert is_refused(status, content), (method, path, status, content)


def test_each_key_opens_its_own(served: GatewayPlatform, model: str) -> None:
    port = served.settings.ports.triton_http
    control, inference = read_control_key(served.settings), read_inference_key(served.settings)
    for path in ("/v2", "/v2/models/stats", *(f"/v2/models/{model}{end}" for end in ("", "/config", "/stats"))):
        status, content = send(port, "GET", path, inference)
        assert (status, model in content.decode() or path == "/v2") == (200, True)
    status, content = send(port, "POST", f"/v2/models/{model}/versions/1/infer", inference)
    assert (status, len(json.loads(content)["outputs"][0]["data"])) == (200, len(LABELS))
    status, content = send(port, "POST", "/v2/repository/index", control)
    assert (status, [one["name"] for one in json.loads(content)]) == (200, [model])


@pytest.mark.parametrize("wrong", WRONG_KEYS)
def test_nothing_but_the_list_answers_without_a_key_over_grpc(served: GatewayPlatform, wrong: str) -> None:
    key = WRONG_KEYS[wrong](read_inference_key(served.settings))
    told = {name: call(served.settings, name, key) for name in list_procedures(served.settings)}
    assert {name for name, (status, _) in told.items() if status is grpc.StatusCode.OK} == read_list("gRPC")
    for name, (status, details) in told.items():
        assert name in read_list("gRPC") or is_locked(status, details) or status is grpc.StatusCode.UNIMPLEMENTED, name


def test_neither_key_opens_what_the_other_does_over_grpc(served: GatewayPlatform) -> None:
    control, inference = read_control_key(served.settings), read_inference_key(served.settings)
    names = [name for name in list_procedures(served.settings) if not FREE_METHODS.match(name)]
    assert len(names) > 15
    for name in names:
        opens, closed = (control, inference) if CONTROL_METHODS.match(name) else (inference, control)
        assert is_locked(*call(served.settings, name, closed)), name
        assert not is_locked(*call(served.settings, name, opens)), name


def test_the_port_of_metrics_says_numbers_alone(served: GatewayPlatform, model: str) -> None:
    port = served.settings.ports.triton_metrics
    paths = ["/", "/metrics", "/metrics/", *list_paths(served.settings, model)]
    told = {f"{method} {path}": send(port, method, path, None) for path in paths for method in METHODS}
    spoken = {place: content for place, (status, content) in told.items() if content and status not in REFUSALS}
    assert spoken.keys() == read_list("metrics")
    for line in spoken["GET /metrics"].decode().splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) nv_.*|nv_\w+(\{model="[\w-]+"(,reason="\w+")?,version="\d+"\})? [-+.e\d]+', line
        ), line


def test_it_listens_on_the_three_ports_alone_whatever_the_environment_asks_for(served: GatewayPlatform) -> None:
    ports = served.settings.ports
    (triton,) = [
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "tritonserver" and f"--http-port={ports.triton_http}" in process.info["cmdline"]
    ]
    assert triton.environ()["AIP_MODE"] == "PREDICTION"
    listens = {one.laddr.port for one in triton.net_connections("inet") if one.status == psutil.CONN_LISTEN}
    assert listens == {ports.triton_http, ports.triton_grpc, ports.triton_metrics}


async def ask_without_waiting(settings: Settings, model: str, digest: str) -> str:
    triton = AsyncTriton(settings, seconds=60)
    try:
        return (await triton.read_model(model, digest)).digest
    finally:
        await triton.close()


def test_another_key_is_said_with_what_to_do(served: GatewayPlatform, model: str, tmp_path: Path) -> None:
    elsewhere, digest = served.settings.model_copy(update={"home": tmp_path}), served.digests["emotion"]
    with TritonServer(elsewhere) as server:
        asked: list[Callable[[], Any]] = [
            lambda: server.read_model(model),
            server.index,
            lambda: is_served(elsewhere, model, digest),
            lambda: asyncio.run(ask_without_waiting(elsewhere, model, digest)),
        ]
        for ask in asked:
            told = r"does not take the key for (emotion-|index).*inference\.key.*control\.key.*`voxloop up`"
            with pytest.raises(VoxloopError, match=told) as refused:
                ask()
            assert (refused.value.exit_code, refused.value.transient) == (1, False)
            assert str(tmp_path / "triton") in str(refused.value)


def test_who_asks_does_without_the_key_that_loads(served: GatewayPlatform, model: str, tmp_path: Path) -> None:
    """The gateway, a command that asks, and the look of a rollback: none reads it, so none makes it anew. No log has a key."""
    settings, digest = served.settings, served.digests["emotion"]
    control = settings.home / "triton" / "control.key"
    kept = control.rename(tmp_path / "control.key")
    try:
        with TritonServer(settings) as server:
            assert server.read_model(model).digest == digest
            server.answer(model, server.open(model).make_golden(1.0))
        assert is_served(settings, model, digest)
        served.route("emotion", "emotion")
        with served.gateway(), served.client(served.make_key()) as client:
            wait_for(lambda: client.get("/readyz").status_code == 200)
            assert body(client.post("/v1/emotion", content=SOUND, headers=WAV))["model_digest"] == digest
        assert not control.exists()
    finally:
        kept.rename(control)
    for log in served.settings.home.rglob("*.log"):
        for key in (read_control_key(settings), read_inference_key(settings)):
            assert key not in log.read_text(), f"{log} tells a key"
