"""Spans of a request as a collector receives them, over OTLP, from a process of its own; the guard is the real one."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.listener import Listener, listening
from voxloop.settings import Settings, child_environment

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ASK = """
import sys
import httpx, asyncio
from starlette.responses import PlainTextResponse
from voxloop.adapters.open_telemetry import exporting_spans
from voxloop.gateway.figures import Figures
from voxloop.gateway.guard import Admission, Guard
from voxloop.gateway.keys import KeyBook
from voxloop.gateway.rates import RateLimiter
from voxloop.gateway.tracing import trace_part
from voxloop.settings import get_settings, now

async def app(scope, receive, send):
    with trace_part("decode"):
        pass
    with trace_part("ask the model", model="emotion-3f9a1c"):
        if scope["query_string"] == b"broken":
            raise RuntimeError("what the caller said")
    await PlainTextResponse("fine")(scope, receive, send)

async def ask():
    keys = KeyBook(get_settings().gateway_keys)
    key = keys.add("tests", ("emotion",), now())
    guard = Guard(app, Admission(keys, RateLimiter(1000, 1000), 9), Figures(), ("/v1/emotion",), 1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://here") as client:
        headers = {"X-API-Key": key, "X-Speaker-ID": "ada-secret", "traceparent": sys.argv[2]}
        for path in ("/v1/emotion", "/v1/emotion?broken", "/elsewhere/ada-secret"):
            print((await client.post(path, headers=headers, content=b"body-secret")).headers["X-Request-ID"])
        print((await client.post("/v1/emotion", content=b"")).headers["X-Request-ID"])
        print((await client.request("SECRET", "/v1/emotion", headers=headers)).headers["X-Request-ID"])

with exporting_spans(sys.argv[1], service="voxloop-gateway", share=1.0):
    asyncio.run(ask())
"""


def unpack(collector: Listener) -> list[bytes]:
    return [
        gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        for headers, body in collector.posts
    ]


def read_spans(collector: Listener) -> list[Span]:
    return [
        span
        for body in unpack(collector)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.fixture
def collector() -> Iterator[Listener]:
    with listening() as server:
        yield server


def ask(settings: Settings, endpoint: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", ASK, endpoint, CALLER]
    return subprocess.run(
        argv, env=child_environment(settings.environment()), capture_output=True, text=True, check=True
    )


def told(span: Span) -> dict[str, object]:
    kept = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    return {name: kept[name] for name in sorted(kept) if name != "voxloop.request_id"}


def test_a_request_and_its_parts_are_one_trace_and_hold_nothing_personal(
    settings: Settings, collector: Listener
) -> None:
    done = ask(settings, f"http://{collector.place}/v1/traces")
    spans = read_spans(collector)
    requests = [span for span in spans if span.kind == Span.SPAN_KIND_SERVER]
    assert [span.name for span in requests] == [
        "POST /v1/emotion",
        "POST /v1/emotion",
        "POST other",
        "POST /v1/emotion",
        "_OTHER /v1/emotion",
    ]
    assert [told(span)["http.response.status_code"] for span in requests] == [200, 500, 200, 401, 200]
    failed = [span.status.code == Status.STATUS_CODE_ERROR for span in requests]
    assert failed == [False, True, False, False, False]
    ids = [one.value.string_value for span in requests for one in span.attributes if one.key == "voxloop.request_id"]
    assert ids == done.stdout.split()
    first = requests[0]
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == tuple(CALLER.split("-")[1:3])
    parts = [span for span in spans if span.parent_span_id == first.span_id]
    assert [(span.name, told(span)) for span in parts] == [
        ("decode", {}),
        ("ask the model", {"voxloop.model": "emotion-3f9a1c"}),
    ]
    broken = next(span for span in spans if span.parent_span_id == requests[1].span_id and "model" in span.name)
    assert broken.status.message == "RuntimeError"
    everything = b"".join(unpack(collector))
    assert b"voxloop-gateway" in everything
    assert b"secret" not in everything.lower()
    assert b"what the caller said" not in everything


def test_without_an_endpoint_nothing_is_sent_and_without_a_collector_requests_are_answered(settings: Settings) -> None:
    quiet = ask(settings, "")
    assert (len(quiet.stdout.split()), "opentelemetry" in quiet.stderr) == (5, False)
    away = ask(settings, "http://127.0.0.1:9/v1/traces")
    assert len(away.stdout.split()) == 5
    assert "Connection refused" in away.stderr
