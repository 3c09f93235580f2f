"""How the matrix stands, as gauges: taken aside now and then, so that a scrape costs nothing and never sees half of it.

There are as many series as scans, outcomes and severities, never one for each image or finding. What would be more
than `MOST_SERIES` is left out, and counted in a metric of its own.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from orchestrator.api import store as store_api
from orchestrator.errors import UsageError
from orchestrator.model import Severity
from orchestrator.results.errors import NoResultsError
from orchestrator.volume.layout import version_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client.metrics_core import Metric

    from orchestrator.service.rest.state import ServiceState

#: Series of one metric.
MOST_SERIES = 1_000
Labelled = tuple[tuple[str, ...], float]
_PREFIX = "scanmatrix_"


class GaugeFamily(NamedTuple):
    """One metric: its name without the prefix, what it says, its labels, and a value for each set of them."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: Sequence[Labelled]


class Snapshot(NamedTuple):
    """How everything stood at a moment."""

    at: float
    families: tuple[GaugeFamily, ...]


def take(state: ServiceState) -> Snapshot:
    """How everything stands now; a question like any other, for `ServiceState.ask`.

    Findings are counted again only when the store holds something else: on a large one that takes many seconds.
    """
    now = datetime.now(UTC)
    states = store_api.state_counts(state.config)
    cells = [((one.scan, str(one.outcome or "none"), one.freshness), float(one.targets)) for one in states]
    ages = [
        ((scan,), (now - made).total_seconds())
        for scan, version in state.store.versions().items()
        if (made := version_time(version.database)) is not None
    ]
    families = [
        GaugeFamily("cells", "Targets by scan, outcome of the last attempt, and freshness", _CELL, cells),
        GaugeFamily("database_age_seconds", "Age of the database of each scan's newest result", ("scan",), ages),
    ]
    try:
        found, coverage = state.once("gauges", lambda: store_api.overview_now(state.config))
    except (UsageError, NoResultsError):  # no run has ended yet
        return Snapshot(time.time(), tuple(families))
    by_severity = [((severity.value,), float(found.open.get(severity, 0))) for severity in Severity]
    return Snapshot(
        time.time(),
        (
            *families,
            GaugeFamily("findings", "Merged findings that are not suppressed", ("severity",), by_severity),
            GaugeFamily("findings_suppressed", "Merged findings that are suppressed", (), [((), found.suppressed)]),
            GaugeFamily("runs", "Runs in the store", (), [((), found.runs)]),
            GaugeFamily("targets", "Targets that names mean now", (), [((), coverage.targets)]),
            GaugeFamily("targets_covered", "Targets of which there is any result", (), [((), coverage.covered)]),
        ),
    )


_CELL = ("scan", "outcome", "freshness")


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
        yield _single("snapshot_timestamp_seconds", "When these gauges were taken", snapshot.at)


def _single(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)
