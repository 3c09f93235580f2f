"""Runs over time: findings by severity, cells by outcome, and how many targets were covered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.model import Outcome, Severity
from orchestrator.service.page.views.plots import Plot, Series, draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.results.overview import RunSummary

#: Most runs that are drawn: more dots would hide each other.
MOST = 180
_DRAWN = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)


def trends(runs: Sequence[RunSummary]) -> tuple[Plot, ...]:
    """The plots of runs, given the latest first; none for fewer than two."""
    known = [run for run in reversed(runs[:MOST]) if run.finished]
    moments = [run.finished for run in known]
    counted = [run for run in known if run.covered is not None]  # early versions did not
    plots = (
        *(
            draw(
                f"{severity.value.capitalize()} findings",
                moments,
                [Series("open", severity.value, tuple(run.open.get(severity, 0) for run in known))],
            )
            for severity in _DRAWN
        ),
        draw(
            "Targets with a result",
            [run.finished for run in counted],
            [Series("covered", "ok", tuple(map(_percent, counted)))],
            "%",
            top=100,
        ),
        draw(
            "Cells that failed",
            moments,
            [Series("failed", "failed", tuple(run.cells.get(Outcome.FAILED, 0) for run in known))],
        ),
    )
    return tuple(plot for plot in plots if plot is not None)


def _percent(run: RunSummary) -> float:
    return round(100 * (run.covered or 0) / run.targets, 1) if run.targets else 0.0
