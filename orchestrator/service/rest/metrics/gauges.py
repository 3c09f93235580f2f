"""How the matrix stands, as gauges: taken aside now and then, so that a scrape costs nothing and never sees half of it.

What would be more than `MOST_SERIES` series of one metric is left out, and counted in a metric of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from orchestrator.service.rest.metrics.families import Snapshot

#: Series of one metric; what would be more is left out, and counted.
MOST_SERIES = 1_000
_PREFIX = "scanmatrix_"


class MatrixGauges(Collector):
    """Exposes the newest snapshot; the one before stays until it is there."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are as the snapshot has them."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Every metric of the snapshot, each set of labels once."""
        snapshot, dropped = self.snapshot, 0
        if snapshot is None:
            return
        for family in snapshot.families:
            metric = GaugeMetricFamily(_PREFIX + family.name, family.help, labels=family.labels)
            values = dict(family.values)
            for labels, value in sorted(values.items())[:MOST_SERIES]:
                metric.add_metric(labels, value)
            dropped += max(0, len(values) - MOST_SERIES)
            yield metric
        yield _single("series_dropped", "Series left out, because there were too many", dropped)
        yield _single("series_limit", "Most series of one metric", MOST_SERIES)
        yield _single("snapshot_timestamp_seconds", "When these gauges were taken", snapshot.at)


def _single(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)
