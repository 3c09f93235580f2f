"""`/api/v1/runs`: the runs that there are, how each stands, and its ledger."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter

from orchestrator.api import lists
from orchestrator.api.json_documents import plain
from orchestrator.api.plan import read_ledger
from orchestrator.model import Ledger, RunStatus
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import seconds
from orchestrator.results.overview import RunSummary
from orchestrator.service.rest.answers import JsonAnswer, as_json, encoded
from orchestrator.service.rest.caller import OWNERS_MAY, READS, Caller
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.pages import Page, PageAsked
from orchestrator.service.rest.problems import AbsentError
from orchestrator.service.rest.routers.questions import Reader, State, page_document
from orchestrator.service.rest.state import ServiceState
from orchestrator.service.running import status_of

router = APIRouter(tags=["runs"], dependencies=[READS, OWNERS_MAY])


@router.get("/api/v1/runs", summary="List runs that have finished", operation_id="list_runs")
async def list_(state: State, caller: Reader, page: Page) -> JsonAnswer:
    """The runs in numbers, the latest first."""
    return JsonAnswer(await state.ask(as_json(_list), state, page, owners=caller.owners))


def _list(state: ServiceState, page: PageAsked) -> dict[str, Any]:
    scheme = CursorScheme("runs", {})
    before = scheme.read(page.cursor, tuple[int, str])
    found = lists.runs_page(state.config, before, page.limit + 1)
    rows = found[: page.limit]
    following = scheme.spell((seconds(rows[-1].finished), rows[-1].run)) if len(found) > page.limit else ""
    return page_document("runs", [plain(row) for row in rows], following, page, None)


@router.get("/api/v1/runs/{run}", summary="How a run stands", operation_id="get_run")
async def get(run: str, state: State, caller: Reader) -> JsonAnswer:
    """A run in numbers, once it has finished; before, how many of its cells stand how."""
    return JsonAnswer(await state.ask(as_json(_get), state, run, sees_all=caller.owners is None, owners=caller.owners))


def _get(state: ServiceState, run: str, *, sees_all: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"run": run, "summary": _summary(state, run), "state": "finished", "counts": {}}
    if found["summary"] is None:
        if not sees_all:
            raise AbsentError(f"no run {run} with targets of yours has finished")
        status = status_of(state, run)
        found |= {"state": status.state, "counts": plain(status.counts())}
    return found


def _summary(state: ServiceState, run: str) -> RunSummary | None:
    return lists.run_summary(state.config, run)


async def seen_by(state: ServiceState, caller: Caller, status: RunStatus) -> RunStatus:
    """How a run stands for a caller: of their targets alone.

    Raises:
        AbsentError: it has none.
    """
    if caller.owners is None:
        return status
    theirs = await state.ask(_theirs, state, {cell.target for cell in status.cells}, owners=caller.owners)
    found = msgspec.structs.replace(
        status,
        message="",
        cells=tuple(cell for cell in status.cells if cell.target in theirs),
        pulls=tuple(pull for pull in status.pulls if pull.target in theirs),
    )
    if not found.cells:
        raise AbsentError(f"there is no run {status.run}")
    return found


def _theirs(state: ServiceState, targets: set[str]) -> set[str]:
    """Those of some targets that the caller may see."""
    return lists.visible(state.config, targets)


@router.get("/api/v1/runs/{run}/ledger", summary="The ledger of a run", operation_id="get_run_ledger")
async def ledger(run: str, state: State, caller: Reader) -> JsonAnswer:
    """How every cell of a run ended, and what its policy says: the document of `scanmatrix schema ledger`."""
    found = await state.ask(_ledger, state, run)
    if caller.owners is not None:
        theirs = await state.ask(_theirs, state, {row.target for row in found.rows}, owners=caller.owners)
        rows = tuple(row for row in found.rows if row.target in theirs)
        if not rows:
            raise AbsentError(f"there is no run {run}")
        # The verdict, and the names, tell of others' targets.
        found = Ledger(run=found.run, created=found.created, finished=found.finished, rows=rows, partial=found.partial)
    return JsonAnswer(await state.ask(encoded, found))


def _ledger(state: ServiceState, run: str) -> Ledger:
    if lists.run_summary(state.config, run) is None:
        raise AbsentError(f"there is no run {run} that has finished")
    try:
        return read_ledger(state.config, run)
    except NoResultsError as error:
        raise AbsentError(str(error)) from error
