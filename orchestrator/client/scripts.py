"""The functions of the SDK against a service, each as a script (`exchange.py`); `clients.py` has them as methods."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.api.submission import RunRequest
from orchestrator.client.exchange import RowScript, ServicePause, ServiceRequest, ServiceRows, collected
from orchestrator.client.lists import get, given, listed, mappings_named, rows_named
from orchestrator.client.reading import read_coverage, read_json, read_rows
from orchestrator.errors import NotKnownError
from orchestrator.kit.retrying import Backoff
from orchestrator.model import Ledger, MergedRow, Plan, RunStatus
from orchestrator.model.suppression import Suppression
from orchestrator.queries.choice import Choice
from orchestrator.queries.difference import Difference
from orchestrator.queries.difference.compare import order_of
from orchestrator.queries.known_targets import KnownTarget
from orchestrator.queries.pages import MatrixPlace
from orchestrator.results.overview import RunSummary
from orchestrator.store.documents import TargetView
from orchestrator.store.listing import WorkloadPlace

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from orchestrator.client.exchange import Script
    from orchestrator.results.coverage import Coverage

#: Seconds between two looks at a run: the first after a change, and the longest.
_LOOK, _LOOKS = 0.5, 5.0
#: Looks for the ledger of a run that has ended, until the service has imported it.
_PATIENCE = 60


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
    rests: list[Coverage] = []

    def read(data: bytes) -> Sequence[MergedRow]:
        if not rests:
            rests.append(read_coverage(data))
        return _merged(data)

    rows = yield from collected(listed(get("findings", query=_query_of(choice)), read))
    return sorted(rows, key=lambda row: -row.finding.severity.rank), rests[0]


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


def status(run: str) -> Script[RunStatus]:
    """How a run stands, cell by cell.

    Raises:
        NotKnownError: there is no such run.
    """
    return read_json((yield get("runs", run, "progress")), RunStatus)


def follow(run: str) -> RowScript[RunStatus]:
    """The status of a run now, and after every change, to its end."""
    return RowScript(_follow(run))


def _follow(run: str) -> Generator[ServiceRequest | ServicePause | ServiceRows, bytes, None]:
    last, pauses = None, Backoff(_LOOK, _LOOKS)
    while last is None or not last.ended:
        found = yield from status(run)
        if found != last:
            pauses.reset()
            yield ServiceRows([found])
        last = found
        if not last.ended:
            yield ServicePause(pauses.pause())


def read_ledger(run: str) -> Script[Ledger]:
    """How every cell of a run that has finished ended, and what its policy says.

    Raises:
        NotKnownError: there is no such run, or it has not finished.
    """
    return read_json((yield get("runs", run, "ledger")), Ledger)


def make_plan(request: RunRequest | None = None) -> Script[Plan]:
    """A dry run: every cell with its decision, every image by digest, and what it costs.

    Args:
        request: what should be scanned; None for all that the service has configured.
    """
    return read_json((yield _post("plan", document=request or RunRequest(), repeatable=True)), Plan)


def submit(request: RunRequest | None = None, *, key: str = "") -> Script[str]:
    """Plan and start a run, and return at once.

    Args:
        request: what should be scanned; None for all that the service has configured.
        key: by which the same submission is known again, however often it is sent; made up when empty.

    Returns:
        Id of the run.

    Raises:
        ServiceRefusalError: the key was used for something else.
    """
    own = key or str(uuid.uuid4())
    return read_json((yield _post("runs", document=request or RunRequest(), repeatable=True, key=own)), _Begun).run


def run(request: RunRequest | None = None, *, key: str = "") -> Script[Ledger]:
    """Plan and start a run, follow it to its end, and return its ledger; with the same key the same run.

    Args:
        request: what should be scanned; None for all that the service has configured.
        key: as for `submit`.
    """
    begun = yield from submit(request, key=key)
    yield from collected(follow(begun))
    return (yield from ledger_at_end(begun))


def ledger_at_end(run: str) -> Script[Ledger]:
    """The ledger of a run that has ended just now, which the service may still have to import.

    Raises:
        NotKnownError: it has none.
    """
    for _ in range(_PATIENCE):
        try:
            return (yield from read_ledger(run))
        except NotKnownError:
            yield ServicePause(1)
    return (yield from read_ledger(run))


def retry(run: str) -> Script[str]:
    """Run again the cells of a run that failed, and return at once.

    Returns:
        Id of the run.

    Raises:
        NotKnownError: there is no such run.
        UsageError: it has not ended yet.
    """
    return read_json((yield _post("runs", run, "retry")), _Begun).run


def cancel(run: str) -> Script[tuple[str, ...]]:
    """End a run now; what was done is kept, and its ledger says which cells were cancelled.

    Returns:
        Names of what was stopped; none where it had ended already.

    Raises:
        NotKnownError: there is no such run.
    """
    return read_json((yield _post("runs", run, "cancel", repeatable=True)), _Stopped).stopped


class _Count(msgspec.Struct):
    value: int


class _Counted(msgspec.Struct):
    count: _Count


class _Begun(msgspec.Struct):
    run: str


class _Stopped(msgspec.Struct):
    stopped: tuple[str, ...]


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


def _post(*parts: str, document: Any = None, repeatable: bool = False, key: str = "") -> ServiceRequest:
    headers = (("Content-Type", "application/json"), *((("Idempotency-Key", key),) if key else ()))
    body = b"" if document is None else msgspec.json.encode(document)
    return ServiceRequest(get(*parts).path, (), "POST", body, headers, repeatable)
