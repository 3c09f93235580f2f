"""The addresses of the pages; each asks what the command line asks, and draws the answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from orchestrator.api import results
from orchestrator.api import run as runs
from orchestrator.errors import NotKnownError, ScanmatrixError, UsageError
from orchestrator.model import Severity
from orchestrator.queries.known_targets import KnownTarget, coverage_of_targets
from orchestrator.results.errors import NoResultsError
from orchestrator.service.page import rendering
from orchestrator.service.page.rendering import HtmlPage
from orchestrator.service.page.views import findings, matrix, trends
from orchestrator.service.page.views import run as one_run
from orchestrator.service.page.views import target as one_target
from orchestrator.service.rest import problems
from orchestrator.service.rest.caller import READS, Caller, caller_of
from orchestrator.service.rest.state import ServiceState, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.service.page.views.run import RunView

#: Runs that the list of runs has; rows that one request for changed rows may ask for.
_RUNS, _ROWS = 100, 200
_OTHER_COLUMNS = 409
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
                return _error_page(request, UsageError("; ".join(each["msg"] for each in error.errors()[:10])))
            except (ScanmatrixError, OSError) as error:
                return _error_page(request, error)

        return answer


router = APIRouter(tags=["page"], dependencies=[READS], include_in_schema=False, route_class=PageRoute)
files = APIRouter(tags=["page"], include_in_schema=False)


def _asking(request: Request) -> Caller:
    return caller_of(request)


State = Annotated[ServiceState, Depends(state_of)]
Asking = Annotated[Caller, Depends(_asking)]


def _error_page(request: Request, error: Exception) -> Response:
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
    state: State,
    caller: Asking,
    *,
    name: Annotated[str, Query(max_length=500)] = "",
    owner: Annotated[str, Query(max_length=200)] = "",
    cell: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[int, Query(ge=0)] = 0,
) -> HtmlPage:
    """The matrix of all targets that names mean now."""
    known, coverage = await _known(state, caller)
    question = matrix.MatrixQuestion(name, owner, cell)
    view = matrix.lay_out(known, question, after)
    return HtmlPage(
        "matrix.html.j2",
        {"view": "matrix", "matrix": view, "question": question, "after": after, "states": matrix.STATES,
         "targets": len(known), "rests_on": coverage},
    )  # fmt: skip


@router.get("/matrix/rows")
async def rows(
    state: State,
    target: Annotated[list[str], Query(max_length=_ROWS)],
    scan: Annotated[list[str], Query(max_length=_ROWS)],
) -> Response:
    """The rows of some targets as they stand now, for a page that shows them already, with these columns."""
    known = await state.ask(state.store.targets_by_id, target)
    if {each.scan for of in known for each in of.states} - set(scan):
        return Response(status_code=_OTHER_COLUMNS)
    lines = [matrix.line_of(of, scan) for of in known]
    return Response(rendering.fragment("rows.html.j2", {"lines": lines}), media_type="text/html")


async def _known(state: ServiceState, caller: Caller) -> tuple[tuple[KnownTarget, ...], Coverage]:
    """All targets, asked again when anything changed."""

    def ask() -> tuple[tuple[KnownTarget, ...], Coverage]:
        known = state.store.known_targets()
        return known, coverage_of_targets(known)

    return await state.ask(lambda: state.once(("page", "targets", caller.owners), ask))


@router.get("/targets/{target}")
async def show_target(
    state: State,
    target: str,
    kind: Annotated[str, Query(max_length=40)] = "",
    severity: Severity | None = None,
    *,
    suppressed: bool = False,
) -> HtmlPage:
    """One target: its scans, what they found, how that came and went, where it runs."""
    found = await state.ask(state.store.target, target, gone=True)
    if found is None:
        raise NotKnownError(f"no target has the id {target}; the matrix lists those that there are")
    question = one_target.TargetQuestion(kind, severity, suppressed)
    shown = one_target.show(found, question)
    return HtmlPage(
        "target.html.j2",
        {"view": "matrix", "page": shown, "question": question, "severities": list(reversed(Severity))},
    )


@router.get("/search")
async def search(state: State, q: Annotated[str, Query(max_length=500)] = "") -> HtmlPage:
    """Who has a vulnerability or a package."""
    context: dict[str, Any] = {"view": "search", "q": q, "words": None, "most": findings.MOST}
    if q.strip():
        words = findings.read_search(q)
        context |= {
            "words": words,
            "holders": await state.ask(state.store.who_has, words.id, findings.MOST, package=words.package),
            "rests_on": await state.ask(results.coverage, state.config, words.id, package=words.package),
        }
    return HtmlPage("search.html.j2", context)


@router.get("/changes")
async def changes(
    state: State, run: Annotated[str, Query(max_length=80)] = "", since: Annotated[str, Query(max_length=10)] = ""
) -> HtmlPage:
    """What the latest run changed, another one, or everything since a day."""
    moment = _day(since)

    def ask() -> tuple[tuple[findings.ChangeGroup, ...], Coverage, str]:
        """The changes, what they rest on, and of which run they are."""
        of = "" if moment else results.open_results(state.config, run or None).run
        found = state.store.differences(of or None, since=moment, still=False)
        return findings.grouped(found), results.compared(state.config, of or None, since=moment), of

    groups, coverage, of = await state.ask(ask)
    context = {"view": "changes", "groups": groups, "rests_on": coverage, "run": of, "since": since}
    return HtmlPage("changes.html.j2", context)


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
async def list_runs(state: State) -> HtmlPage:
    """The runs, those that are not over first."""

    def ask() -> tuple[tuple[RunSummary, ...], list[RunView], str]:
        """Those that have ended, those that have not, and why the engine does not say."""
        ended = results.list_results(state.config, most=_RUNS)
        try:
            known = runs.list_runs(state.config)
        except ScanmatrixError as error:
            return ended, [], str(error)
        return ended, [one_run.of_status(status) for status in known if not status.ended], ""

    ended, active, trouble = await state.ask(ask)
    return HtmlPage("runs.html.j2", {"view": "runs", "ended": ended, "active": active, "trouble": trouble})


@router.get("/runs/{run}")
async def show_run(state: State, run: str) -> HtmlPage:
    """One run: what its cells do now, or its ledger."""
    return HtmlPage("run.html.j2", {"view": "runs", "run": await state.ask(_run, state, run)})


@router.get("/runs/{run}/progress")
async def progress(state: State, run: str) -> Response:
    """The part of its page that changes while it runs."""
    context = {"run": await state.ask(_run, state, run)}
    return Response(rendering.fragment("progress.html.j2", context), media_type="text/html")


def _run(state: ServiceState, run: str) -> RunView:
    """What the engine says of a run that is not over; else its ledger, which is all that other machines have."""
    try:
        status = runs.status(state.config, run)
    except ScanmatrixError:  # of another machine, or deleted by its engine
        status = None
    if status is not None and not status.ended:
        return one_run.of_status(status)
    try:
        return one_run.of_ledger(results.open_results(state.config, run).ledger)
    except (UsageError, NoResultsError) as error:
        if status is None:
            raise NotKnownError(str(error)) from error
        return one_run.of_status(status)
