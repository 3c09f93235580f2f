"""The addresses of the pages; each asks what the command line asks, and draws the answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BeforeValidator

from orchestrator.api import external, results
from orchestrator.api.submission import RunRequest
from orchestrator.errors import NotKnownError, ScanmatrixError, UsageError
from orchestrator.model import Severity
from orchestrator.service.page import questions, rendering
from orchestrator.service.page.rendering import HtmlPage
from orchestrator.service.page.views import findings, matrix, trends
from orchestrator.service.page.views import target as one_target
from orchestrator.service.rest import problems
from orchestrator.service.rest.caller import OWNERS_MAY, READS, SUBMITS, Caller, Role, needs
from orchestrator.service.rest.middleware.audit import changed
from orchestrator.service.rest.routers.questions import Reader, State  # noqa: TC001 - FastAPI reads the annotations
from orchestrator.service.rest.routers.work import Submitter, cancel_run, start_run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

#: Rows that one request for changed rows may ask for.
_ROWS = 200
_OTHER_COLUMNS, _SEE_OTHER = 409, 303
_FOREVER = "public, max-age=31536000, immutable"


class PageRoute(APIRoute):
    """A route whose errors are pages, too: what happened, and what to do next."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what it raises."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            """The page, or one that says what is wrong."""
            try:
                return await handle(request)
            except RequestValidationError as error:
                return error_page(request, UsageError("; ".join(each["msg"] for each in error.errors()[:10])))
            except (ScanmatrixError, OSError) as error:
                return error_page(request, error)

        return answer


#: Every question goes to the store, which shows owners what is theirs, or through `questions`, which does.
router = APIRouter(tags=["page"], dependencies=[READS, OWNERS_MAY], include_in_schema=False, route_class=PageRoute)
#: What starts or ends runs, which may be of anybody's targets.
work = APIRouter(tags=["page"], dependencies=[SUBMITS], include_in_schema=False, route_class=PageRoute)
files = APIRouter(tags=["page"], include_in_schema=False)

Admin = Annotated[Caller, Depends(needs(Role.ADMIN))]
#: A form sends an empty text where nothing is chosen.
ChosenSeverity = Annotated[Severity | None, BeforeValidator(lambda text: text or None)]


def error_page(request: Request, error: Exception) -> Response:
    """An error as the API has it, for people."""
    answer = problems.problem_of(request, error)
    page = HtmlPage("error.html.j2", {"view": "", "problem": msgspec.json.decode(answer.body)}, answer.status_code)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in answer.headers:
            page.headers[name] = answer.headers[name]
    return page


@files.get("/static/{version}/{name}")
async def static(version: str, name: str) -> Response:  # noqa: ARG001 - makes the address another for other content
    """A file that pages load."""
    found = rendering.static_file(name)
    if found is None:
        raise NotKnownError(f"no page loads a file {name}")
    content, media_type = found
    return Response(content, headers={"Cache-Control": _FOREVER}, media_type=media_type)


@router.get("/")
async def index(
    request: Request,
    state: State,
    caller: Reader,
    *,
    name: Annotated[str, Query(max_length=500)] = "",
    owner: Annotated[str, Query(max_length=200)] = "",
    cell: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[int, Query(ge=0)] = 0,
) -> HtmlPage:
    """The matrix of all targets that names mean now."""
    question = matrix.MatrixQuestion(name, owner, cell)

    def answer() -> HtmlPage:
        """All targets, asked again when anything changed; laid out here, for that takes long where there are many."""
        known, coverage = state.once(("page", caller.owners), lambda: questions.every_target(state.config))
        context = {
            "view": "matrix",
            "matrix": matrix.lay_out(known, question, after),
            "question": question,
            "after": after,
            "states": matrix.STATES,
            "targets": len(known),
            "rests_on": coverage,
            "cursor": cursor or "",
        }
        return HtmlPage("matrix.html.j2", context)

    # Before the question: what changes while it is answered comes with the events after this place.
    cursor = request.app.state.live.cursor
    return await state.ask(answer)


@router.get("/matrix/rows")
async def rows(
    state: State,
    target: Annotated[list[str], Query(max_length=_ROWS)],
    scan: Annotated[list[str], Query(max_length=_ROWS)],
) -> Response:
    """The rows of some targets as they stand now, for a page that shows them already, with these columns."""
    known = await state.ask(questions.some_targets, state.config, target)
    if {each.scan for of in known for each in of.states} - set(scan):
        return Response(status_code=_OTHER_COLUMNS)
    lines = [matrix.line_of(of, scan) for of in known]
    return Response(rendering.fragment("rows.html.j2", {"lines": lines}), media_type="text/html")


@router.get("/targets/{target}")
async def show_target(
    state: State,
    caller: Reader,
    target: str,
    *,
    kind: Annotated[str, Query(max_length=40)] = "",
    severity: ChosenSeverity = None,
    suppressed: bool = False,
) -> HtmlPage:
    """One target: its scans, what they found, how that came and went, where it runs."""
    found = await state.ask(questions.one_target, state.config, target)
    question = one_target.TargetQuestion(kind, severity, suppressed)
    context = {
        "view": "matrix",
        "page": one_target.show(found, question),
        "question": question,
        "severities": tuple(reversed(Severity)),
        "may_scan": _may_start(caller) and bool(found.references) and any(not each.put_by for each in found.states),
        "may_delete": caller.role >= Role.ADMIN and any(each.put_by for each in found.states),
    }
    return HtmlPage("target.html.j2", context)


@work.post("/targets/{target}/scan")
async def scan_again(request: Request, state: State, caller: Submitter, target: str) -> Response:
    """Start a run of this target alone, with the scans that it has had, and show it."""
    found = await state.ask(questions.one_target, state.config, target)
    scans = tuple(each.scan for each in found.states if not each.put_by)
    if not (found.references and scans):  # a run of no target, or with no scan, would be one of everything
        raise UsageError(f"target {target} has no name or no scan of ours by which it could be scanned again")
    asked = RunRequest(targets=found.references[:1], scans=scans)
    started = await state.do(start_run, state, request.app.state.carried, asked, "", caller.name)
    changed(request, run=started["run"])
    return RedirectResponse(f"/runs/{quote(started['run'], safe='')}", _SEE_OTHER)


@router.get("/targets/{target}/delete")
async def ask_to_delete(state: State, caller: Admin, target: str) -> HtmlPage:  # noqa: ARG001 - its role is checked
    """What deleting the results that others put would do, and whether that is meant."""
    found = await state.ask(questions.one_target, state.config, target)
    return HtmlPage("delete.html.j2", {"view": "matrix", "of": found})


@router.post("/targets/{target}/delete")
async def delete(state: State, caller: Admin, target: str) -> Response:  # noqa: ARG001 - its role is checked
    """Delete them."""
    await state.do(external.delete_results_of, state.config, target)
    return RedirectResponse("/", _SEE_OTHER)


@router.get("/search")
async def search(state: State, q: Annotated[str, Query(max_length=500)] = "") -> HtmlPage:
    """Who has a vulnerability or a package."""
    context: dict[str, Any] = {"view": "search", "q": q, "words": None}
    if q.strip():
        words = findings.read_search(q)
        holders, coverage = await state.ask(questions.holders, state.config, words)
        context |= {"words": words, "holders": holders, "rests_on": coverage}
    return HtmlPage("search.html.j2", context)


@router.get("/changes")
async def changes(
    state: State,
    caller: Reader,
    run: Annotated[str, Query(max_length=80)] = "",
    since: Annotated[str, Query(max_length=10)] = "",
) -> HtmlPage:
    """What the latest run changed, another one, or everything since a day."""
    found = await state.ask(questions.changes, state.config, caller.owners, run, _day(since))
    return HtmlPage("changes.html.j2", {"view": "changes", "since": since, **found._asdict()})


def _may_start(caller: Caller) -> bool:
    return caller.role >= Role.SUBMIT and caller.owners is None


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
    except ValueError as error:
        raise UsageError(f"since: {text} is no day; write it as 2026-11-29") from error


@router.get("/trends")
async def show_trends(state: State) -> HtmlPage:
    """Findings, failures and coverage, run by run."""
    known = await state.ask(results.list_results, state.config, most=trends.MOST)
    return HtmlPage("trends.html.j2", {"view": "trends", "plots": trends.trends(known), "runs": len(known)})


@router.get("/runs")
async def list_runs(state: State, caller: Reader) -> HtmlPage:
    """The runs, those that are not over first."""
    found = await state.ask(questions.every_run, state.config, caller.owners)
    return HtmlPage("runs.html.j2", {"view": "runs", **found._asdict()})


@router.get("/runs/{run}")
async def show_run(state: State, caller: Reader, run: str) -> HtmlPage:
    """One run: what its cells do now, or its ledger."""
    found = await state.ask(questions.one_run_of, state.config, caller.owners, run)
    may_cancel = _may_start(caller) and not found.over
    return HtmlPage("run.html.j2", {"view": "runs", "run": found, "may_cancel": may_cancel})


@work.post("/runs/{run}/cancel")
async def cancel(state: State, run: str) -> Response:
    """End a run now, and show it."""
    await state.do(cancel_run, state, run)
    return RedirectResponse(f"/runs/{quote(run, safe='')}", _SEE_OTHER)


@router.get("/runs/{run}/progress")
async def progress(state: State, caller: Reader, run: str) -> Response:
    """The part of its page that changes while it runs."""
    found = await state.ask(questions.one_run_of, state.config, caller.owners, run)
    return Response(rendering.fragment("progress.html.j2", {"run": found}), media_type="text/html")
