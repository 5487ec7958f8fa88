"""What Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counts of one app, in a registry of its own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self._calls = Counter(
            "unicorn_http_calls", "Calls by route and status.", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "unicorn_http_seconds",
            "Time of a call.",
            ["route"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self._batches = Histogram(
            "unicorn_batch_requests",
            "Requests that were ranked together.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self._waiting = Gauge("unicorn_waiting_requests", "Requests that wait or are at work.", registry=self.registry)
        self._items = Gauge("unicorn_items", "Items of the catalogue.", registry=self.registry)
        self._model = Gauge("unicorn_model", "1 for the model at work.", ["model_id"], registry=self.registry)
        self._reloads = Counter("unicorn_reloads", "Models that took the place of another.", registry=self.registry)

    def call(self, route: str, status: int, seconds: float) -> None:
        """Count a call."""
        self._calls.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, requests: int) -> None:
        """Count a batch."""
        self._batches.observe(requests)

    def watch(self, waiting: Callable[[], float], items: Callable[[], float]) -> None:
        """Read what waits, and the size of the catalogue, whenever somebody asks."""
        self._waiting.set_function(waiting)
        self._items.set_function(items)

    def serve(self, model_id: str, *, reloaded: bool) -> None:
        """Name the model at work."""
        self._model.clear()
        self._model.labels(model_id).set(1)
        if reloaded:
            self._reloads.inc()

    def text(self) -> bytes:
        """Return all of it in the text format."""
        return generate_latest(self.registry)
