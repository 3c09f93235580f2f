"""Runs over time: findings by severity, cells by outcome, how many targets were covered; and how old results are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import Outcome, Severity
from orchestrator.model.documents import spell_time
from orchestrator.service.page.views.plots import Plot, Series, draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.results.overview import RunSummary
    from orchestrator.store.ages import AgeOfDay

#: Most runs, and most days, that are drawn: more dots would hide each other.
MOST, MOST_DAYS = 180, 90
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


def age_line(days: Sequence[AgeOfDay]) -> Plot | None:
    """How old the last results of today's targets were at the end of each day, on average; None for fewer than two."""
    moments = [spell_time(datetime.fromtimestamp(day.at, UTC)) for day in days]
    values = tuple(round(day.age / day.results / 86400, 1) for day in days)
    return draw("Average age of the last results", moments, [Series("old", "ok", values)], " d")


class AgeBar(NamedTuple):
    """Results of one age: what it is in words, how many there are, and of how many."""

    title: str
    results: int
    of: int


#: Ages of results: at most these days, in words.
_AGES = ((1, "up to a day"), (7, "up to a week"), (30, "up to a month"), (90, "up to three months"))
_OLDER, _NEVER = "older", "never"


def ages(known: Iterable[KnownTarget], now: datetime) -> tuple[AgeBar, ...]:
    """How old the last result of each scan of each target is; those that are not believed, or never were, are `never`.

    Args:
        known: the targets.
        now: from when on they are counted back.
    """
    counts = dict.fromkeys([*(title for _, title in _AGES), _OLDER, _NEVER], 0)
    for state in (state for of in known for state in of.states):
        if state.scanned is None or state.suspect:
            counts[_NEVER] += state.outcome is not Outcome.SKIPPED
            continue
        old = (now - state.scanned).total_seconds() / 86400
        counts[next((title for days, title in _AGES if old <= days), _OLDER)] += 1
    total = sum(counts.values())
    return tuple(AgeBar(title, count, total) for title, count in counts.items()) if total else ()


def _percent(run: RunSummary) -> float:
    return round(100 * (run.covered or 0) / run.targets, 1) if run.targets else 0.0
