"""Severity over time: this run and those before it, as small charts of plain SVG that need no script.

One chart for each severity, with a scale of its own: beside thousands of low findings one critical more is invisible.

The numbers of a run are a `RunSummary`, as in the store's overview, but made of the files of these few runs: the pod
that writes the report has no database, and would first import every run there ever was.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import PermanentError
from orchestrator.exports.report.severities import NOTHING, WORST_FIRST, Counts
from orchestrator.model import Ledger, Outcome
from orchestrator.model.documents import read
from orchestrator.results.errors import NoResultsError
from orchestrator.results.finished import finished_runs
from orchestrator.results.ledger import moment
from orchestrator.results.overview import summary_of
from orchestrator.results.provisional import LEDGER
from orchestrator.results.tables.reading import count_merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.exports.report.counting import ReportNumbers
    from orchestrator.results.overview import RunSummary
    from orchestrator.results.run import RunResults
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)

# The drawing, in units of its own: width, height, and the margins that labels need.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 300, 120, 10, 48, 14, 20
_PANELS = 4


class Point(NamedTuple):
    """One run on the way of time.

    Attributes:
        ended: RFC 3339 in UTC.
        targets: number of targets.
        failed: number of cells that failed.
        counts: findings by severity; None where the run has no merged findings that can be read.
        suppressed: findings that nobody needs to act on.
    """

    run: str
    ended: str
    targets: int
    failed: int
    counts: Counts | None = None
    suppressed: int = 0


class Mark(NamedTuple):
    """A run in a chart: where, and what to say of it."""

    x: float
    y: float
    text: str


class Panel(NamedTuple):
    """One chart: a severity (the last one: all below it too), its line and area as SVG paths, its marks and numbers."""

    severity: str
    title: str
    line: str
    area: str
    marks: tuple[Mark, ...]
    first: int
    last: int
    most: int
    begin: str
    end: str
    baseline: int = _HEIGHT - _BOTTOM
    width: int = _WIDTH
    height: int = _HEIGHT


def gather(results: RunResults, numbers: ReportNumbers, most: int = 30) -> list[Point]:
    """This run, and before it at most this many that ended earlier, in the order of time.

    A run whose ledger cannot be read is left out with a warning.
    """
    earlier: list[Point] = []
    for run in finished_runs(results.volume):
        if len(earlier) == most:
            break
        point = None if run == results.run else _of_earlier(results.volume, run, results.ledger.finished)
        if point is not None:
            earlier.append(point)
    return [*sorted(earlier, key=lambda point: (point.ended, point.run)), _of_this_run(results.ledger, numbers)]


def _of_this_run(ledger: Ledger, numbers: ReportNumbers) -> Point:
    counts = dict(zip(WORST_FIRST, numbers.severities, strict=True))
    return _point(summary_of(ledger, counts, sum(numbers.suppressed)))


def _of_earlier(volume: Volume, run: str, before: str) -> Point | None:
    try:
        ledger = read(volume.results(run) / LEDGER, Ledger)
    except (PermanentError, OSError, RecursionError) as error:
        _log.warning("the ledger of run %s is left out of the report: %s", run, error)
        return None
    ended, limit = moment(ledger.finished), moment(before)
    if ended is None or (limit is not None and ended >= limit):
        return None
    try:
        return _point(summary_of(ledger, *count_merged(volume, run)))
    except NoResultsError as error:
        _log.warning("left out of the report's charts: %s", error)
        return _point(summary_of(ledger, {}, 0))._replace(counts=None)


def _point(run: RunSummary) -> Point:
    counts = tuple(run.open.get(severity, 0) for severity in WORST_FIRST)
    return Point(run.run, run.finished, run.targets, run.cells[Outcome.FAILED], counts, run.suppressed)


def draw(points: Sequence[Point]) -> list[Panel]:
    """A chart for each of the worst severities, and one for all others; none where fewer than two runs can be drawn."""
    known = [point for point in points if point.counts is not None]
    if len(known) < 2:  # noqa: PLR2004 - a line needs two
        return []
    panels = []
    for number in range(_PANELS):
        last = number == _PANELS - 1
        values = [_value(point.counts or NOTHING, number, last=last) for point in known]
        name = WORST_FIRST[number].value
        title = f"{name} and below" if last else name
        panels.append(_panel(name, title, values, known))
    return panels


def _value(counts: Counts, number: int, *, last: bool) -> int:
    return sum(counts[number:]) if last else counts[number]


def _panel(severity: str, title: str, values: Sequence[int], points: Sequence[Point]) -> Panel:
    most, baseline = max(*values, 1), _HEIGHT - _BOTTOM
    step = (_WIDTH - _LEFT - _RIGHT) / (len(values) - 1)
    places = [
        (round(_LEFT + number * step, 1), round(baseline - value / most * (baseline - _TOP), 1))
        for number, value in enumerate(values)
    ]
    line = "M" + "L".join(f"{x} {y}" for x, y in places)
    area = f"{line}L{places[-1][0]} {baseline}L{places[0][0]} {baseline}Z"
    marks = tuple(
        Mark(x, y, f"{point.run}, {point.ended[:10]}: {value:,} {title}")
        for (x, y), point, value in zip(places, points, values, strict=True)
    )
    return Panel(
        severity,
        title,
        line,
        area,
        marks,
        values[0],
        values[-1],
        max(values),
        points[0].ended[:10],
        points[-1].ended[:10],
    )
