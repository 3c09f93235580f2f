"""Targets, the cells of the matrix, and what runs where."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from orchestrator.api import lists
from orchestrator.api.json_documents import plain
from orchestrator.model import Outcome
from orchestrator.queries.choice import Choice
from orchestrator.service.rest.answers import JsonAnswer, as_json
from orchestrator.service.rest.caller import OWNERS_MAY, READS, Caller
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.pages import Page, PageAsked, one_of
from orchestrator.service.rest.problems import AbsentError, RequestError
from orchestrator.service.rest.routers.questions import Reader, State, coverage, page_document, target_choice
from orchestrator.service.rest.state import ServiceState

router = APIRouter(tags=["matrix"], dependencies=[READS, OWNERS_MAY])
TargetChoice = Annotated[Choice, Depends(target_choice)]


@router.get("/api/v1/targets", summary="List the known targets", operation_id="list_targets")
async def targets(state: State, caller: Reader, page: Page, choice: TargetChoice) -> JsonAnswer:
    """What names mean now, with owners, workloads, and how each scan of it stands."""
    return JsonAnswer(await state.ask(as_json(_targets), state, caller, page, choice, owners=caller.owners))


def _targets(state: ServiceState, caller: Caller, page: PageAsked, choice: Choice) -> dict[str, Any]:
    scheme = CursorScheme("targets", {"choice": plain(choice)})
    found = lists.targets_page(state.config, choice, scheme.read(page.cursor, int) or 0, page.limit)
    following = "" if found.last is None else scheme.spell(found.last)
    rests = coverage(state, caller, choice)
    return page_document("targets", [plain(row) for row in found.rows], following, page, rests)


@router.get("/api/v1/targets/{target}", summary="One target", operation_id="get_target")
async def target(target: str, state: State, caller: Reader) -> JsonAnswer:
    """Its names, how each scan of it stands, what they found, and where it runs."""
    found = await state.ask(lists.one_target, state.config, target, owners=caller.owners)
    if found is None:
        raise AbsentError(f"there is no target {target}; /api/v1/targets lists what there is")
    return JsonAnswer(found)


@router.get("/api/v1/cells", summary="List the cells of the matrix", operation_id="list_cells")
async def cells(  # noqa: PLR0917 - FastAPI gives them by name
    state: State,
    caller: Reader,
    page: Page,
    choice: TargetChoice,
    scan: Annotated[str, Query(max_length=100, description="Only of this scan")] = "",
    outcome: Annotated[
        str,
        Query(
            max_length=20,
            description="Only whose last attempt ended so",
            json_schema_extra=one_of(("", *Outcome)),
        ),
    ] = "",
) -> JsonAnswer:
    """How every scan of every target stands: scanned when and by what, failed why, or never."""
    if outcome and outcome not in set(Outcome):
        raise RequestError(f"outcome: there is no {outcome!r}; there are {', '.join(Outcome)}")
    asked = Choice(target=choice.target, owner=choice.owner, scan=scan)
    return JsonAnswer(await state.ask(as_json(_cells), state, caller, page, asked, outcome, owners=caller.owners))


def _cells(state: ServiceState, caller: Caller, page: PageAsked, choice: Choice, outcome: str) -> dict[str, Any]:
    scheme = CursorScheme("cells", {"choice": plain(choice), "outcome": outcome})
    after = scheme.read(page.cursor, tuple[int, str]) or (0, "")
    wanted = Outcome(outcome) if outcome else None
    found = lists.cells_page(state.config, choice, after, page.limit, wanted)
    following = "" if found.last is None else scheme.spell(found.last)
    rests = coverage(state, caller, choice)
    return page_document("cells", [plain(row) for row in found.rows], following, page, rests)


@router.get("/api/v1/workloads", summary="List what runs in clusters", operation_id="list_workloads")
async def workloads(state: State, caller: Reader, page: Page) -> JsonAnswer:
    """Each workload as the last look into its cluster found it, with the targets that it runs."""
    return JsonAnswer(await state.ask(as_json(_workloads), state, page, owners=caller.owners))


def _workloads(state: ServiceState, page: PageAsked) -> dict[str, Any]:
    scheme = CursorScheme("workloads", {})
    found = lists.workloads_page(state.config, scheme.read(page.cursor, int) or 0, page.limit + 1)
    rows = found[: page.limit]
    following = scheme.spell(rows[-1].number) if len(found) > page.limit else ""
    return page_document("workloads", [plain(row) for row in rows], following, page, None)
