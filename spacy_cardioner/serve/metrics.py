"""What the service counts, in the text format of Prometheus. No label holds data of a request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from spacy_cardioner.batch.engine import Annotated
from spacy_cardioner.serve.pool import Dispatcher

TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counts of a service."""

    def __init__(self, pool: Dispatcher) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_Pool(pool))
        self.requests = Counter(
            "cardioner_requests", "Requests.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "cardioner_request_seconds", "Duration of requests.", ["route"], registry=self.registry
        )
        self.notes = Counter(
            "cardioner_notes", "Notes.", ["pipeline", "outcome"], registry=self.registry
        )
        self.characters = Counter(
            "cardioner_characters", "Characters of annotated notes.", registry=self.registry
        )

    def count(self, pipeline: str, notes: Sequence[Annotated]) -> None:
        """Count notes that were answered."""
        for found in notes:
            outcome = "failed" if found.note.fault else "annotated"
            self.notes.labels(pipeline, outcome).inc()
            self.characters.inc(0 if found.note.fault else len(found.note.text))

    def text(self) -> bytes:
        """The counts as Prometheus reads them."""
        return generate_latest(self.registry)


class _Pool(Collector):
    def __init__(self, pool: Dispatcher) -> None:
        self.pool = pool

    def collect(self) -> Iterator[Metric]:
        pool = self.pool
        yield GaugeMetricFamily(
            "cardioner_queue_notes", "Notes that wait or are being annotated.", pool.pending
        )
        yield GaugeMetricFamily("cardioner_workers_ready", "Loaded workers.", pool.ready)
        yield CounterMetricFamily(
            "cardioner_workers_replaced", "Workers that died or hung.", pool.replaced
        )
