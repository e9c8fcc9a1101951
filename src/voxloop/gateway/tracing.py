"""Spans of a request: OpenTelemetry's own interface, which does nothing where nothing is exported.

A span says what was done, how long it took and how it ended. No sound, words, answer, key or speaker is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_TRACER = trace.get_tracer("voxloop.gateway")


@contextmanager
def trace_request(method: str, place: str, request_id: str, headers: Headers) -> Iterator[Span]:
    """Give the span of a request, part of its caller's trace where `traceparent` (W3C Trace Context) names one.

    Args:
        method: Of HTTP.
        place: The path, where it is one of ours.
        request_id: As the caller is told it, and the prediction log has it.
        headers: Of the request.
    """
    method = method if method in _METHODS else "_OTHER"  # as the semantic conventions have it
    known = {"http.request.method": method, "http.route": place, "voxloop.request_id": request_id}
    with _TRACER.start_as_current_span(
        f"{method} {place}",
        context=propagate.extract({"traceparent": headers.get("traceparent", "")}),
        kind=SpanKind.SERVER,
        attributes=known,
        record_exception=False,  # its text may hold what a caller sent
        set_status_on_exception=False,
    ) as span:
        yield span


def end_request(span: Span, status: int) -> None:
    """Say how a request ended: a status of 500 and more is an error of ours, and so is no answer.

    Args:
        span: Of the request.
        status: Of HTTP; 0 where nothing was answered.
    """
    span.set_attribute("http.response.status_code", status)
    if status >= 500 or not status:
        span.set_status(Status(StatusCode.ERROR))


@contextmanager
def trace_part(name: str, **known: str) -> Iterator[None]:
    """Measure a part of a request.

    Args:
        name: Such as `decode`.
        known: Of the part, such as `model`.
    """
    attributes = {f"voxloop.{key}": value for key, value in known.items()}
    with _TRACER.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except Exception as failed:
            span.set_status(Status(StatusCode.ERROR, type(failed).__name__))
            raise
