"""What is asked of results and of the matrix, each question as a script (`exchange.py`)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from orchestrator.analysis.highlights import Highlights
from orchestrator.client.exchange import RowScript, ServiceRequest, collected
from orchestrator.client.lists import get, given, listed, mappings_named, rows_named
from orchestrator.client.reading import read_coverage, read_json, read_rows
from orchestrator.model import MergedRow
from orchestrator.model.suppression import Suppression
from orchestrator.queries.choice import Choice, worst_first
from orchestrator.queries.difference import Difference
from orchestrator.queries.difference.compare import order_of
from orchestrator.queries.known_targets import KnownTarget
from orchestrator.queries.pages import MatrixPlace
from orchestrator.results.overview import RunSummary
from orchestrator.store.backlog.messages import Backlog
from orchestrator.store.documents import TargetView
from orchestrator.store.listing import WorkloadPlace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orchestrator.client.exchange import Script
    from orchestrator.results.coverage import Coverage


def list_results(*, most: int | None = None) -> Script[tuple[RunSummary, ...]]:
    """The runs that have finished, each in numbers, the latest first.

    Args:
        most: of them; None for all.
    """
    return tuple((yield from collected(listed(get("runs"), rows_named("runs", RunSummary), most=most))))


def findings(choice: Choice | None = None) -> RowScript[MergedRow]:
    """What every target has now, target by target, of each the worst first; a page is held at a time.

    Args:
        choice: what is wanted; None for all that is not suppressed.
    """
    return listed(get("findings", query=_query_of(choice)), _merged)


def findings_now(choice: Choice | None = None) -> Script[tuple[list[MergedRow], Coverage]]:
    """What every target has now, by its latest results, the worst first, and what that answer rests on.

    Args:
        choice: what is wanted; None for all that is not suppressed.

    Raises:
        NotKnownError: no target, owner or scan has such a name.
    """
    return (yield from _found(get("findings", query=_query_of(choice))))


def findings_of(run: str, choice: Choice | None = None) -> Script[tuple[list[MergedRow], Coverage]]:
    """What one run found, as it was when it ended, the worst first, and what that answer rests on.

    Args:
        run: its id.
        choice: what is wanted; None for all that is not suppressed.

    Raises:
        NotKnownError: there is no such run that has finished, or it has no target, owner or scan of such a name.
    """
    return (yield from _found(get("runs", run, "findings", query=_query_of(choice))))


def _found(ask: ServiceRequest) -> Script[tuple[list[MergedRow], Coverage]]:
    rests: list[Coverage] = []

    def read(data: bytes) -> Sequence[MergedRow]:
        if not rests:
            rests.append(read_coverage(data))
        return _merged(data)

    rows = yield from collected(listed(ask, read))
    return worst_first(rows), rests[0]


def highlights(run: str) -> Script[Highlights]:
    """The findings of a run in short: how many of each severity, and the worst.

    Raises:
        NotKnownError: there is no such run that has finished, or it has no findings that could be read.
    """
    return read_json((yield get("runs", run, "highlights")), Highlights)


def backlog() -> Script[Backlog]:
    """How fresh everything is that a scheduler keeps fresh."""
    return read_json((yield get("backlog")), Backlog)


def holders_now(id_: str = "", *, package: str = "") -> Script[tuple[list[MergedRow], Coverage]]:
    """Every target that has a vulnerability, or any in a package, the worst first, and what that answer rests on.

    Args:
        id_: its id, or any alias, in any case, or a glob of such; empty for any.
        package: glob for the package's name, or for its package URL; empty for any.
    """
    first = yield get("who-has", query=given(id=id_, package=package), rows=sys.maxsize)
    rows, coverage = _merged(first), read_coverage(first)
    if read_json(first, _Counted).count.value > len(rows):
        choice = Choice(id=id_, package=package, suppressed=True)
        rows, _ = yield from findings_now(choice)
    return rows, coverage


def list_differences(
    run: str | None = None,
    *,
    since: datetime | None = None,
    between: tuple[str, str] | None = None,
) -> Script[list[Difference]]:
    """What is new, fixed, changed, still there and no longer scanned, name by name.

    Args:
        run: against what its targets were before it; None for the latest run.
        since: instead: all targets now against all then; with a time zone.
        between: instead: two names of images, the older first.
    """
    ask = get("changes", query=_compared(run, since, between))
    rows = yield from collected(listed(ask, lambda data: read_rows(mappings_named("differences", data), Difference)))
    return sorted(rows, key=lambda row: (row.reference, row.platform, *order_of(row)))


def compared(
    run: str | None = None,
    *,
    since: datetime | None = None,
    between: tuple[str, str] | None = None,
) -> Script[Coverage]:
    """Of how many targets the newer side of `list_differences` could tell, and of which it could not.

    Args:
        run: as for `list_differences`.
        since: as for `list_differences`.
        between: as for `list_differences`.
    """
    return read_coverage((yield get("changes", query=_compared(run, since, between), rows=1)))


def coverage(choice: Choice | None = None) -> Script[Coverage]:
    """Of how many targets there is any result that could tell, and of which there is none, each with the reason."""
    return read_coverage((yield get("coverage", query=_query_of(choice))))


def known_targets(*, target: str = "", owner: str = "") -> RowScript[KnownTarget]:
    """What names mean now, with owners, workloads, and how each scan of it stands.

    Args:
        target: glob for a name of the target, or its id.
        owner: glob for an owner of it.
    """
    ask = get("targets", query=given(target=target, owner=owner))
    return listed(ask, rows_named("targets", KnownTarget))


def one_target(target: str) -> Script[TargetView]:
    """One target by its id: its names, how each scan of it stands, and what they found.

    Raises:
        NotKnownError: there is no such target.
    """
    return read_json((yield get("targets", target)), TargetView)


def cells(*, target: str = "", owner: str = "", scan: str = "", outcome: str = "") -> RowScript[MatrixPlace]:
    """The cells of the matrix: how every scan of every target stands.

    Args:
        target: glob for a name of the target, or its id.
        owner: glob for an owner of it.
        scan: only of this scan.
        outcome: only those whose last attempt ended so.
    """
    ask = get("cells", query=given(target=target, owner=owner, scan=scan, outcome=outcome))
    return listed(ask, rows_named("cells", MatrixPlace))


def workloads() -> RowScript[WorkloadPlace]:
    """What runs in clusters, with the targets that it runs."""
    return listed(get("workloads"), rows_named("workloads", WorkloadPlace))


def suppressions() -> Script[Suppression]:
    """The ignore rules and VEX statements that hold now."""
    return read_json((yield get("suppressions")), Suppression)


class _Count(msgspec.Struct):
    value: int


class _Counted(msgspec.Struct):
    count: _Count


def _merged(data: bytes) -> list[MergedRow]:
    return read_rows(mappings_named("findings", data), MergedRow)


def _compared(run: str | None, since: datetime | None, between: tuple[str, str] | None) -> tuple[tuple[str, str], ...]:
    older, newer = between or ("", "")
    return given(run=run or "", since=since.isoformat() if since else "", older=older, newer=newer)


def _query_of(choice: Choice | None) -> tuple[tuple[str, str], ...]:
    if choice is None:
        return ()
    named = given(target=choice.target, owner=choice.owner, scan=choice.scan, id=choice.id, package=choice.package)
    what = given(severity=choice.severity or "", fixable=choice.fixable, suppressed=choice.suppressed)
    return (*named, *what, *(("kind", kind) for kind in choice.kinds))
