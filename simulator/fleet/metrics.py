"""How a fleet stands as metrics that Prometheus scrapes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from jointloop.common.errors import JointloopError
from simulator.fleet.ends import End, Reason
from simulator.fleet.rows import Row, State

GAUGES: dict[str, tuple[str, Callable[[Row], float | None]]] = {
    "jointloop_worker_samples_per_second": ("Mean of the last half minute.", lambda r: r.rate),
    "jointloop_worker_prior_version": ("That it draws from.", lambda r: r.prior_version),
    "jointloop_worker_prior_age_seconds": ("Since it was told so.", lambda r: r.prior_age),
    "jointloop_worker_resident_memory_bytes": ("As it says itself.", lambda r: r.rss),
}
COUNTERS: dict[str, tuple[str, Callable[[Row], float]]] = {
    "jointloop_worker_samples": ("That arrived at the trainer, or were made.", lambda r: r.samples),
    "jointloop_worker_restarts": ("Processes that took its place before.", lambda r: r.restarts),
}


class MetricsError(JointloopError):
    """Metrics cannot be served."""


class Metrics(Collector):
    """Serves the newest rows over HTTP, until it is closed.

    Args:
        port: 0 takes a free one.
        host: to listen at.

    Raises:
        MetricsError: it cannot listen there.
    """

    def __init__(self, port: int, host: str) -> None:
        self._rows: Sequence[Row] = ()
        self._ends: Counter[tuple[int, Reason]] = Counter()
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise MetricsError(
                f"metrics cannot be served at {host}:{port}: {why}; expected a free port of 1 to "
                "65535, or 0 for any"
            ) from error
        self.address = f"http://{host}:{self._server.server_port}/metrics"
        """Of the page that is scraped."""

    def said(self, text: str) -> None:
        """Words are no metrics."""

    def ended(self, end: End) -> None:
        """Count it by its reason."""
        self._ends[end.worker, end.reason] += 1

    def rows(self, rows: Sequence[Row]) -> None:
        """Serve these from now on."""
        self._rows = rows

    def collect(self) -> Iterator[Metric]:
        """What a scrape is answered with; called in the server's threads."""
        rows, ends = self._rows, self._ends.copy()
        states = GaugeMetricFamily(
            "jointloop_worker_state", "1 for the state that it is in.", labels=["worker", "state"]
        )
        for row in rows:
            for state in State:
                states.add_metric([str(row.worker), state], float(row.state is state))
        yield states
        for name, (text, value) in GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=["worker"])
            for row in rows:
                if (found := value(row)) is not None:
                    gauge.add_metric([str(row.worker)], found)
            yield gauge
        for name, (text, value) in COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=["worker"])
            for row in rows:
                counter.add_metric([str(row.worker)], value(row))
            yield counter
        ended = CounterMetricFamily(
            "jointloop_worker_ends", "Processes that ended.", labels=["worker", "reason"]
        )
        for (worker, reason), count in sorted(ends.items()):
            ended.add_metric([str(worker), reason], count)
        yield ended

    def close(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
