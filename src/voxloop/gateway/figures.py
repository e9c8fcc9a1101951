"""What Prometheus reads: requests by family and status, how long they took."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from voxloop.monitoring.prediction_writer import Tally

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OTHER = "other"
"""What stands for every path that is none of ours: a caller must not make series."""


class Figures:
    """The figures of one gateway, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "voxloop_gateway_requests", "Requests by place and status", ["place", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "voxloop_gateway_seconds", "Seconds to the answer", ["place"], buckets=BOUNDS, registry=self.registry
        )
        self._routes = Gauge(
            "voxloop_gateway_route_on", "1 for a family whose route is on", ["family"], registry=self.registry
        )

    def count(self, place: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(place, str(status)).inc()
        self._seconds.labels(place).observe(seconds)

    def set_route(self, family: str, *, is_on: bool) -> None:
        """Say whether a family is answered."""
        self._routes.labels(family).set(is_on)

    def watch_predictions(self, tally: Callable[[], Tally]) -> None:
        """Show what becomes of the rows of the prediction log."""
        self.registry.register(_PredictionFigures(tally))

    def write(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)


class _PredictionFigures(Collector):
    """Read from the log when somebody looks."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        tally, name = self._tally(), "voxloop_gateway_predictions"
        yield CounterMetricFamily(f"{name}_written", "Rows of the prediction log that are in files", tally.written)
        yield CounterMetricFamily(f"{name}_unmeasured", "Rows without the measures of their sound", tally.unmeasured)
        lost = CounterMetricFamily(f"{name}_lost", "Rows that were never written, by why", labels=["why"])
        for why in ("queue full", "unwritable", "unfit", "killed"):
            lost.add_metric([why], tally.lost.get(why, 0))
        yield lost
