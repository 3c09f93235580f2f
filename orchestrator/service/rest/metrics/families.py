"""What the gauges of the matrix say, with as many series as scans, outcomes and severities, never one for each image.

Only what an operator defines (`metrics` of the configuration) may have more; see `custom`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from orchestrator.api import store as store_api
from orchestrator.errors import UsageError
from orchestrator.model import Severity
from orchestrator.results.errors import NoResultsError
from orchestrator.service.rest.metrics.custom import counted
from orchestrator.upkeep.claims import claims
from orchestrator.volume.layout import version_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.service.rest.state import ServiceState

Labelled: TypeAlias = tuple[tuple[str, ...], float]
_CELL = ("scan", "outcome", "freshness")
#: For how long something has begun to run lately: of that `pod_to_result_seconds` tells.
_LATELY = timedelta(days=1)
_QUANTILES = (0.5, 0.95, 1.0)
_STATES = ("fresh", "due", "held", "in_flight")


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
    """How everything stands now; for `ServiceState.do`.

    Findings are counted again only when the store holds something else: on a large one that takes many seconds.
    """
    now = datetime.now(UTC)
    families = (*_matrix(state, now), *_waiting(state, now), *state.once("gauges", lambda: tuple(_findings(state))))
    return Snapshot(time.time(), families)


def _matrix(state: ServiceState, now: datetime) -> Iterator[GaugeFamily]:
    states = store_api.state_counts(state.config)
    cells = [((one.scan, str(one.outcome or "none"), one.freshness), float(one.targets)) for one in states]
    yield GaugeFamily("cells", "Targets by scan, outcome of the last attempt, and freshness", _CELL, cells)
    ages = [
        ((scan,), (now - made).total_seconds())
        for scan, version in state.store.versions().items()
        if (made := version_time(version.database)) is not None
    ]
    yield GaugeFamily("database_age_seconds", "Age of the database of each scan's newest result", ("scan",), ages)


def _waiting(state: ServiceState, now: datetime) -> Iterator[GaugeFamily]:
    backlog = state.store.backlog(now)
    depth = [((tally.scan, each), float(getattr(tally, each))) for tally in backlog.tallies for each in _STATES]
    yield GaugeFamily("backlog_cells", "Cells that the scheduler keeps fresh, by state", ("scan", "state"), depth)
    oldest = 0.0 if backlog.waiting_since is None else (now - backlog.waiting_since).total_seconds()
    yield _one("oldest_waiting_seconds", "Age of the cell that has waited longest to be scanned", max(0.0, oldest))
    runs = {claim.run for claim in claims(state.volume)}
    yield _one("runs_in_flight", "Runs that somebody works on", len(runs))
    waits = state.store.running_waits(now - _LATELY)
    seconds = sorted(float(wait.seconds(int(now.timestamp()))) for wait in waits)
    lasted = [((f"{part:g}",), seconds[round(part * (len(seconds) - 1))]) for part in _QUANTILES if seconds]
    yield GaugeFamily(
        "pod_to_result_seconds",
        "From the start of what began to run in the last day to its first result, or until now",
        ("quantile",),
        lasted,
    )
    unscanned = sum(not wait.result for wait in waits)
    yield _one("pods_waiting", "Containers that began to run in the last day, without any result yet", unscanned)


def _findings(state: ServiceState) -> Iterator[GaugeFamily]:
    try:
        found, coverage = store_api.overview_now(state.config)
    except (UsageError, NoResultsError):  # no run has ended yet
        return
    by_severity = [((severity.value,), float(found.open.get(severity, 0))) for severity in Severity]
    yield GaugeFamily("findings", "Merged findings that are not suppressed", ("severity",), by_severity)
    yield _one("findings_suppressed", "Merged findings that are suppressed", found.suppressed)
    yield _one("runs", "Runs in the store", found.runs)
    yield _one("targets", "Targets that names mean now", coverage.targets)
    yield _one("targets_covered", "Targets of which there is any result", coverage.covered)
    if coverage.targets:
        yield _one(
            "coverage_ratio", "Share of the targets of which there is any result", coverage.covered / coverage.targets
        )
    for metric in state.config.metrics:
        yield GaugeFamily(f"custom_{metric.name}", metric.help, metric.labels, counted(state.config, metric))


def _one(name: str, text: str, value: float) -> GaugeFamily:
    return GaugeFamily(name, text, (), [((), float(value))])
