"""OpenTelemetry: spans leave this process for a collector, by OTLP over HTTP, in batches from a thread of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from voxloop import __version__


@contextmanager
def exporting_spans(endpoint: str, *, service: str, share: float) -> Iterator[None]:
    """Send what is traced to a collector until the block ends; without an endpoint spans cost nothing and go nowhere.

    A collector that is away costs its spans, which OpenTelemetry logs, and no request. Headers with a secret, such as a
    token, come from the environment alone, as the standard has it: `OTEL_EXPORTER_OTLP_HEADERS`.

    Args:
        endpoint: Such as `http://127.0.0.1:4318/v1/traces`; empty for none.
        service: Name of this program in a trace.
        share: Of requests that are traced; one that comes as part of a trace is traced if its caller is.
    """
    if not endpoint:
        yield
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.version": __version__}),
        sampler=ParentBased(TraceIdRatioBased(share)),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=5)))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
