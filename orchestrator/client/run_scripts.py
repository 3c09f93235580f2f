"""What is done with runs, each function as a script (`exchange.py`): planned, started, followed, retried, cancelled."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.api.submission import RunRequest
from orchestrator.client.errors import ServiceAnswerError, ServiceAwayError, ServiceRefusalError
from orchestrator.client.exchange import RowScript, ServiceNext, ServicePause, ServiceRequest, ServiceRows, collected
from orchestrator.client.lists import get, listed, rows_named
from orchestrator.client.reading import changed, read_json
from orchestrator.errors import NotKnownError
from orchestrator.kit.retrying import Backoff
from orchestrator.model import Ledger, Plan, RunStatus

if TYPE_CHECKING:
    from orchestrator.client.exchange import RowSteps, Script

#: Seconds between two looks at a run: the first after a change, and the longest.
_LOOK, _LOOKS = 0.5, 5.0
#: Streams of one run that broke off before anything came of them, after which it is only asked for.
_STREAMS = 3
#: Looks for the ledger of a run that has ended, until the service has imported it.
_PATIENCE = 60


def list_runs() -> Script[tuple[RunStatus, ...]]:
    """How every run stands that the engine of the service knows, ended or not, the newest first."""
    return tuple((yield from collected(listed(get("progress"), rows_named("progress", RunStatus)))))


def status(run: str) -> Script[RunStatus]:
    """How a run stands, cell by cell.

    Raises:
        NotKnownError: there is no such run.
    """
    return read_json((yield get("runs", run, "progress")), RunStatus)


def follow(run: str) -> RowScript[RunStatus]:
    """The status of a run now, and after every change, to its end."""
    return RowScript(_follow(run))


def _follow(run: str) -> RowSteps:
    """By a stream of what changes; and while there is none, such as behind a proxy that keeps it, by asking."""
    last, pauses, lost = None, Backoff(_LOOK, _LOOKS), 0
    events = ServiceNext(get("runs", run, "progress", "events"))
    while last is None or not last.ended:
        event = b""
        if lost < _STREAMS:
            try:
                event = yield events
            except (ServiceAwayError, ServiceAnswerError, ServiceRefusalError, NotKnownError):
                event = b""  # it cannot be streamed; what else is wrong, asking for it tells
        if event:
            found, lost = changed(last, event), 0
        else:
            lost += 1
            found = yield from status(run)
        if found != last:
            pauses.reset()
            yield ServiceRows([found])
        last = found
        if not event and not last.ended:
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
    return (yield from await_ledger(begun))


def await_ledger(run: str) -> Script[Ledger]:
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


class _Begun(msgspec.Struct):
    run: str


class _Stopped(msgspec.Struct):
    stopped: tuple[str, ...]


def _post(*parts: str, document: Any = None, repeatable: bool = False, key: str = "") -> ServiceRequest:
    headers = (("Content-Type", "application/json"), *((("Idempotency-Key", key),) if key else ()))
    body = b"" if document is None else msgspec.json.encode(document)
    return ServiceRequest(get(*parts).path, (), "POST", body, headers, repeatable)
