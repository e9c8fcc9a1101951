"""The gateway and Triton against bare ONNX Runtime that decodes the same sound.

One emotion model (config `small`, weights random, which changes nothing about the time) answers four seconds of the
speaker world, sent as FLAC. Asked in turns, one request at a time: the bare loop in this process (decode, run, read
the answer), Triton by its stock client with the sound already decoded, and the gateway over one kept connection. What
the gateway itself adds is its time less Triton's and less the decoding. All three must give the same answer.

Then the gateway under an open load: requests arrive by a Poisson process at 70 % of what it answers when eight callers
ask without a pause, and each one's time counts from when it should have been sent, so that a stall is not left out
(coordinated omission). Caller and servers share the machine's cores.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import numpy as np
import soundfile
from tritonclient.http import InferenceServerClient

from benchmarks.evaluation import BareLoop, speak_utterances, write_model
from benchmarks.report import Finding
from voxloop.adapters.mlflow_server import find_free_port
from voxloop.adapters.triton import TritonServer
from voxloop.adapters.triton_keys import make_inference_headers
from voxloop.adapters.triton_model import ServedModel, make_batch
from voxloop.gateway.keys import KeyBook
from voxloop.ledger.book import open_ledger
from voxloop.local.programs import build_program
from voxloop.release.routes import Route, record_route
from voxloop.release.versions import serving_name
from voxloop.settings import Settings, child_environment, now, replace_settings
from voxloop.speech.waveform import SAMPLE_RATE, Waveform, decode_flac, encode_flac, to_int16
from voxloop.store.digests import digest_tree

ROUNDS = 400
SECONDS = 4
CALLERS = 8
LOAD = 0.7
LOAD_SECONDS = 30.0
ADDED_MS, OWN_MS, TAIL = 3.0, 1.5, 3.0
FREE_LIMITS = ("--set", "requests_per_second=100000", "--set", "burst=100000")


def measure() -> list[Finding]:
    """Return what the gateway and Triton add, what the gateway adds, and the tail under load."""
    pairs = speak_utterances()
    sound = np.resize(np.concatenate([one for _, one in pairs]), SECONDS * SAMPLE_RATE).astype(np.float32)
    content = encode_flac(sound)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        settings = _use_own_platform(Path(place))
        folder = write_model("emotion", pairs, Path(place) / "model")
        stack.enter_context(_running(settings, "triton"))
        served = _put_into_service(settings, folder)
        stack.enter_context(_running(settings, "gateway"))
        key = KeyBook(settings.gateway_keys).add("benchmark", ("emotion",), now())
        direct, bare = _Direct(settings, served, decode_flac(content)), _Bare(folder)
        return [
            *_compare(bare, direct, _Gateway(settings, key, content), content),
            asyncio.run(_load(settings, key, content)),
        ]


def _compare(bare: _Bare, direct: _Direct, gateway: _Gateway, content: bytes) -> list[Finding]:
    """Ask all in turns.

    Raises:
        AssertionError: Two of them answer otherwise.
    """
    asked: dict[str, Callable[[], Any]] = {
        "bare": lambda: bare.ask(content),
        "decode": lambda: bare.decode(content),
        "triton": direct.ask,
        "gateway": gateway.ask,
    }
    answers = {name: asked[name]() for name in ("bare", "triton", "gateway")}
    for name, answer in answers.items():
        assert answer["emotion"] == answers["bare"]["emotion"], f"{name} answers otherwise"
        for label, value in answers["bare"]["probabilities"].items():
            assert abs(answer["probabilities"][label] - value) < 1e-5, f"{name} answers otherwise: {label}"
    times: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, ask in asked.items():
            times[name].append(_milliseconds(ask))
    middle = {name: float(np.median(taken[ROUNDS // 10 :])) for name, taken in times.items()}
    print(f"p50 in ms: { {name: round(value, 2) for name, value in middle.items()} }", file=sys.stderr)
    added, own = middle["gateway"] - middle["bare"], middle["gateway"] - middle["triton"] - middle["decode"]
    return [
        Finding("serving: ms added to bare ONNX Runtime (p50), of 3 ms", added, ADDED_MS, 1.0, "at most"),
        Finding("serving: ms of the gateway alone (p50), of 1.5 ms", own, OWN_MS, 1.0, "at most"),
    ]


class _Bare:
    """Decode and run, without anything between."""

    def __init__(self, folder: Path) -> None:
        self._loop = BareLoop(folder)

    def decode(self, content: bytes) -> Waveform:
        waveform: Waveform = soundfile.read(io.BytesIO(content), dtype="float32")[0]
        return waveform

    def ask(self, content: bytes) -> dict[str, Any]:
        return self._loop.run([({}, self.decode(content))], 1)[0]


class _Direct:
    """Triton's stock client, the sound decoded before."""

    def __init__(self, settings: Settings, served: ServedModel, waveform: Waveform) -> None:
        self._client = InferenceServerClient(f"{settings.host}:{settings.ports.triton_http}")
        self._headers = make_inference_headers(settings)
        self._served, self._waveform = served, to_int16(waveform)

    def ask(self) -> dict[str, Any]:
        inputs = self._served.write_inputs(make_batch(self._served.make_request({}, self._waveform)))
        outputs = self._served.read_outputs(self._client.infer(self._served.name, inputs, headers=self._headers))
        answer = self._served.decode({name: array[0] for name, array in outputs.items()})
        assert answer is not None
        return answer


class _Gateway:
    """The gateway over one connection that is kept."""

    def __init__(self, settings: Settings, key: str, content: bytes) -> None:
        self._connection = http.client.HTTPConnection(settings.host, settings.ports.gateway)
        self._headers, self._content = _headers(key), content

    def ask(self) -> dict[str, Any]:
        self._connection.request("POST", "/v1/emotion", self._content, self._headers)
        said = self._connection.getresponse()
        body = json.loads(said.read())
        assert said.status == 200, body
        answer: dict[str, Any] = body["answer"]
        return answer


async def _load(settings: Settings, key: str, content: bytes) -> Finding:
    """Find the capacity, then load the gateway to a share of it."""
    url, headers = f"{settings.gateway_url}/v1/emotion", _headers(key)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:

        async def ask() -> bool:
            async with session.post(url, data=content) as said:
                await said.read()
                return said.status == 200

        async def ask_on(until: float) -> int:
            count = 0
            while time.perf_counter() < until:
                count += await ask()
            return count

        began = time.perf_counter()
        counts = await asyncio.gather(*(ask_on(began + LOAD_SECONDS / 3) for _ in range(CALLERS)))
        capacity = sum(counts) / (time.perf_counter() - began)
        taken = np.array(await _arrive(ask, capacity * LOAD))
    middle, tail = np.quantile(taken, (0.5, 0.99), method="higher") * 1e3
    print(
        f"{capacity:.0f} requests a second at most; at {LOAD:.0%}: p50 {middle:.1f} ms, p99 {tail:.1f} ms; "
        f"{np.isinf(taken).sum()} of {len(taken)} requests refused",
        file=sys.stderr,
    )
    return Finding("serving: p99 over p50 at 70 % of capacity", float(tail), float(middle), TAIL, "at most")


async def _arrive(ask: Callable[[], Any], rate: float) -> list[float]:
    """Return seconds from when each request was due to its answer, infinity where it was refused.

    Args:
        ask: One request; returns whether it was answered.
        rate: Requests a second; they arrive by a Poisson process.
    """
    draw = np.random.default_rng(7)
    due = np.cumsum(draw.exponential(1 / rate, size=int(rate * LOAD_SECONDS)))
    began = time.perf_counter()

    async def one(at: float) -> float:
        await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
        return time.perf_counter() - began - at if await ask() else np.inf

    return list(await asyncio.gather(*(one(float(at)) for at in due)))


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "audio/flac"}


def _milliseconds(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1e3


def _use_own_platform(place: Path) -> Settings:
    """Make a platform on free ports the current one, for this process and its children."""
    taken: set[int] = set()
    names = ("triton_http", "triton_grpc", "triton_metrics", "gateway", "gateway_admin")
    while len(taken) < len(names):
        taken.add(find_free_port("127.0.0.1"))
    return replace_settings({"home": place / "home", "ports": dict(zip(names, sorted(taken), strict=True))})


def _put_into_service(settings: Settings, folder: Path) -> ServedModel:
    """Stage and load a model, and route everybody to it."""
    digest = digest_tree(folder)
    name = serving_name("emotion", digest)
    with TritonServer(settings) as server:
        server.stage(name, folder, digest)
        server.load(name)
        served = server.read_model(name)
    route = Route(task="emotion", weights={digest: 1.0}, shadow=None, is_on=True, salt="benchmark", fallback=None)
    record_route(open_ledger(settings), route, act="route/benchmark", at=now())
    return served


@contextmanager
def _running(settings: Settings, name: str) -> Iterator[None]:
    """Run one program of the platform until the block ends.

    Raises:
        AssertionError: It did not become healthy within two minutes.
    """
    program = build_program(settings, name)
    options = FREE_LIMITS if name == "gateway" else ()
    program.log.parent.mkdir(parents=True, exist_ok=True)
    with program.log.open("wb") as log:
        argv, environment = [*program.argv, *options], child_environment(program.environment)
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 120
        while True:
            assert process.poll() is None, program.log.read_text()[-2000:]
            assert time.monotonic() < until, f"{name} is not healthy in two minutes"
            try:
                if httpx.get(program.health, trust_env=False, timeout=5).is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # told to end, it ends its servers too
    for finding in measure():
        print(finding.as_json())
