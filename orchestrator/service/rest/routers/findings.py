"""What was found: findings now, who has something, what changed, and what is suppressed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from orchestrator.api import lists
from orchestrator.api import results as results_api
from orchestrator.api.json_documents import mappings, plain
from orchestrator.model import MergedRow
from orchestrator.queries.choice import Choice
from orchestrator.queries.difference import STATUSES, Difference
from orchestrator.queries.holders import merged_rows
from orchestrator.queries.pages import FindingKey
from orchestrator.service.rest.answers import JsonAnswer, as_json, covered
from orchestrator.service.rest.caller import OWNERS_MAY, READS, Caller
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.pages import Page, PageAsked, one_of
from orchestrator.service.rest.problems import RefusedError, RequestError
from orchestrator.service.rest.routers.questions import Reader, State, choice_asked, coverage, page_document
from orchestrator.service.rest.state import ServiceState

router = APIRouter(tags=["findings"], dependencies=[READS])
FindingChoice = Annotated[Choice, Depends(choice_asked)]
_MOST = 300


@router.get(
    "/api/v1/findings",
    summary="List what every target has now",
    operation_id="list_findings",
    dependencies=[OWNERS_MAY],
)
async def findings(state: State, caller: Reader, page: Page, choice: FindingChoice) -> JsonAnswer:
    """Merged findings by the latest results of every target: target by target, of each the worst first."""
    return JsonAnswer(await state.ask(as_json(_findings), state, caller, page, choice, owners=caller.owners))


def _findings(state: ServiceState, caller: Caller, page: PageAsked, choice: Choice) -> dict[str, Any]:
    scheme = CursorScheme("findings", {"choice": plain(choice)})
    after = scheme.read(page.cursor, tuple[int, int, str, str])
    found = lists.findings_page(state.config, choice, FindingKey(*after) if after else None, page.limit)
    following = "" if found.last is None else scheme.spell(tuple(found.last))
    rests = coverage(state, caller, choice)
    return page_document("findings", mappings(found.rows, MergedRow), following, page, rests)


@router.get(
    "/api/v1/who-has", summary="Who has a vulnerability or a package", operation_id="who_has", dependencies=[OWNERS_MAY]
)
async def who_has(
    state: State,
    caller: Reader,
    page: Page,
    id: Annotated[str, Query(max_length=_MOST, description="An id, any alias of it, or a glob")] = "",  # noqa: A002
    package: Annotated[str, Query(max_length=_MOST, description="Glob for a package, or its package URL")] = "",
) -> JsonAnswer:
    """The targets that have it, the worst first, suppressed or not; `count` is of all, `findings` has their pages."""
    return JsonAnswer(await state.ask(as_json(_who_has), state, page, id, package, owners=caller.owners))


def _who_has(state: ServiceState, page: PageAsked, id_: str, package: str) -> dict[str, Any]:
    if page.cursor:
        raise RequestError("cursor: this answer has one page; /api/v1/findings has the others")
    found = results_api.find_holders(state.config, id_, package=package, most=page.limit)
    rests = results_api.coverage(state.config, id_, package=package)
    document = page_document("findings", mappings(merged_rows(found), MergedRow), "", page, rests)
    return document | {"count": {"value": found.total, "kind": "exact"}}


@router.get(
    "/api/v1/changes",
    summary="What changed",
    operation_id="list_changes",
    dependencies=[OWNERS_MAY],
)
async def changes(  # noqa: PLR0917 - FastAPI gives them by name
    state: State,
    caller: Reader,
    page: Page,
    run: Annotated[str, Query(max_length=128, description="Against what its targets were before it")] = "",
    since: Annotated[str, Query(max_length=64, description="The state now against that of this time, RFC 3339")] = "",
    older: Annotated[str, Query(max_length=_MOST, description="Instead: a name of an image, and `newer`")] = "",
    newer: Annotated[str, Query(max_length=_MOST, description="The name that is compared with `older`")] = "",
    status: Annotated[
        str, Query(max_length=20, description="Only with this status", json_schema_extra=one_of(("", *STATUSES)))
    ] = "",
) -> JsonAnswer:
    """What is new, fixed, changed and no longer scanned; without a choice of two sides, by the latest run."""
    if bool(older) != bool(newer):
        raise RequestError("give both older and newer, the names that are compared")
    if sum(map(bool, (run, since, older))) > 1:
        raise RequestError("give only one of run, since, and older with newer")
    if status and status not in STATUSES:
        raise RequestError(f"status: there is no {status!r}; there are {', '.join(STATUSES)}")
    return JsonAnswer(
        await state.ask(
            as_json(_changes), state, caller, page, (run, since, older, newer, status), owners=caller.owners
        )
    )


def _changes(state: ServiceState, caller: Caller, page: PageAsked, asked: tuple[str, ...]) -> dict[str, Any]:
    run, since, older, newer, status = asked
    moment, between = _moment(since) if since else None, (older, newer) if older else None
    rows = state.once(
        ("changes", run, since, between, caller.owners),
        lambda: results_api.list_differences(state.config, run or None, since=moment, between=between),
    )
    wanted = sorted((row for row in rows if not status or row.status == status), key=_order)
    scheme = CursorScheme("changes", {"run": run, "since": since, "between": between, "status": status})
    after = scheme.read(page.cursor, tuple[int, list[str]])
    some = [row for row in wanted if after is None or _order(row) > after][: page.limit + 1]
    shown = some[: page.limit]
    following = scheme.spell(_order(shown[-1])) if len(some) > page.limit else ""
    rests = results_api.compared(state.config, run or None, since=moment, between=between)
    document = page_document("differences", mappings(shown, Difference), following, page, rests)
    return document | {"count": {"value": len(wanted), "kind": "exact"}}


def _order(row: Difference) -> tuple[int, list[str]]:
    """The worst first, then by what it is and where."""
    said = (row.status, row.id, row.reference, row.platform, row.package, row.version_before, row.version_after)
    return -row.severity.rank, [*map(str, said), row.key]


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(f"since: {text!r} is no time; write 2026-11-01T08:00:00Z") from error
    if moment.tzinfo is None:
        raise RequestError(f"since: {text!r} has no time zone; write 2026-11-01T08:00:00Z")
    return moment


@router.get("/api/v1/suppressions", summary="What is suppressed by rules", operation_id="list_suppressions")
async def suppressions(state: State, caller: Reader) -> JsonAnswer:
    """The ignore rules and VEX statements that hold now; `/api/v1/findings?suppressed=true` has what they suppress."""
    if caller.owners is not None:
        raise RefusedError("rules are of all targets; /api/v1/findings?suppressed=true has those that suppress yours")
    return JsonAnswer(await state.ask(as_json(lists.suppressions), state.config))


@router.get(
    "/api/v1/coverage", summary="What is known of which targets", operation_id="get_coverage", dependencies=[OWNERS_MAY]
)
async def get_coverage(state: State, caller: Reader, choice: FindingChoice) -> JsonAnswer:
    """Of how many targets there is any result that could tell, and of which there is none, each with the reason."""
    found = await state.ask(coverage, state, caller, choice, owners=caller.owners)
    return JsonAnswer(covered(found))
