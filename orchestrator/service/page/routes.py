"""The addresses of the pages; each asks what the command line asks, and draws the answer."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator

from orchestrator.api import external, results
from orchestrator.api.submission import RunRequest
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import Severity
from orchestrator.queries.choice import Choice
from orchestrator.queries.opening import as_everybody
from orchestrator.service.page import questions, rendering
from orchestrator.service.page.errors import PageRoute, may_start
from orchestrator.service.page.rendering import HtmlPage
from orchestrator.service.page.views import findings, matrix, trends
from orchestrator.service.page.views import target as one_target
from orchestrator.service.rest.caller import OWNERS_ACT, OWNERS_MAY, READS, SUBMITS, Caller, Role, needs
from orchestrator.service.rest.middleware.audit import changed
from orchestrator.service.rest.routers.questions import Reader, State, coverage
from orchestrator.service.rest.routers.work import Submitter  # noqa: TC001 - FastAPI reads the annotations
from orchestrator.service.running import cancel_run, start_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.service.page.views.matrix import MatrixQuestion, MatrixView
    from orchestrator.service.rest.state import ServiceState

#: Rows that one request for changed rows may ask for.
_ROWS = 200
_OTHER_COLUMNS, _SEE_OTHER = 409, 303
_FOREVER = "public, max-age=31536000, immutable"


#: Every question goes to the store, which shows owners what is theirs, or through `questions`, which does.
router = APIRouter(tags=["page"], dependencies=[READS, OWNERS_MAY], include_in_schema=False, route_class=PageRoute)
#: What starts or ends runs, of what the caller answers for.
work = APIRouter(tags=["page"], dependencies=[SUBMITS, OWNERS_ACT], include_in_schema=False, route_class=PageRoute)
files = APIRouter(tags=["page"], include_in_schema=False)

Admin = Annotated[Caller, Depends(needs(Role.ADMIN))]
#: A form sends an empty text where nothing is chosen.
ChosenSeverity = Annotated[Severity | None, BeforeValidator(lambda text: text or None)]


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
        """All targets, asked and drawn again when anything changed; here, for that takes long where there are many."""
        known, rests_on = state.once(("page", caller.owners), lambda: questions.every_target(state.config))
        view, drawn = state.once(("matrix", caller.owners, question, after), lambda: _draw(known, question, after))
        context = {
            "view": "matrix",
            "matrix": view,
            "drawn": drawn,
            "question": question,
            "after": after,
            "states": matrix.STATES,
            "targets": len(known),
            "rests_on": rests_on,
            "cursor": cursor or "",
        }
        return HtmlPage("matrix.html.j2", context)

    # Before the question: what changes while it is answered comes with the events after this place.
    cursor = request.app.state.live.cursor
    return await state.ask(answer)


def _draw(known: Sequence[KnownTarget], question: MatrixQuestion, after: int) -> tuple[MatrixView, str]:
    """The matrix in numbers, and its lines as they stand in the page: nearly all of the page, and of its time."""
    view = matrix.lay_out(known, question, after)
    lines = rendering.fragment("matrix_lines.html.j2", {"every": view.lines})
    return view._replace(lines=()), lines


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
    request: Request,
    state: State,
    caller: Reader,
    target: str,
    *,
    kind: Annotated[str, Query(max_length=40)] = "",
    severity: ChosenSeverity = None,
    suppressed: bool = False,
) -> HtmlPage:
    """One target: its scans, what they found, how that came and went, where it runs."""
    cursor = request.app.state.live.cursor  # before the question, as for the matrix
    found = await state.ask(questions.one_target, state.config, target)
    question = one_target.TargetQuestion(kind, severity, suppressed)
    context = {
        "view": "matrix",
        "page": one_target.show(found, question),
        "question": question,
        "cursor": cursor or "",
        "severities": tuple(reversed(Severity)),
        "may_scan": may_start(caller) and bool(found.references) and any(not each.put_by for each in found.states),
        "may_delete": caller.role >= Role.ADMIN and bool(found.states),
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
    started = await state.do(start_run, state, request.app.state.carried, asked, "", caller)
    changed(request, run=started["run"])
    return RedirectResponse(f"/runs/{quote(started['run'], safe='')}", _SEE_OTHER)


@router.get("/targets/{target}/delete")
async def ask_to_delete(state: State, caller: Admin, target: str) -> HtmlPage:  # noqa: ARG001 - its role is checked
    """What deleting the results of a target would do, and whether that is meant."""
    found = await state.ask(questions.one_target, state.config, target)
    return HtmlPage("delete.html.j2", {"view": "matrix", "of": found})


@router.post("/targets/{target}/delete")
async def delete(request: Request, state: State, caller: Admin, target: str) -> Response:
    """Delete them."""
    runs = await state.do(_delete, state, caller, target)
    changed(request, run=",".join(runs[:5]), target=target)
    return RedirectResponse("/", _SEE_OTHER)


def _delete(state: ServiceState, caller: Caller, target: str) -> tuple[str, ...]:
    with as_everybody():
        return external.delete_results_of(state.config, target, by=caller.name, owners=caller.owners)


@router.get("/search")
async def search(
    state: State,
    caller: Reader,
    q: Annotated[str, Query(max_length=500)] = "",
    most: Annotated[int, Query(ge=1, le=findings.MOST)] = findings.USUAL,
) -> HtmlPage:
    """Who has a vulnerability or a package: the worst rows, and more of them on demand."""
    context: dict[str, Any] = {"view": "search", "q": q, "words": None, "more": findings.MOST}
    if q.strip():
        words = findings.read_search(q)
        about = Choice(kinds=results.kinds_asked(words.id, words.package))

        def answer() -> dict[str, Any]:
            """Who has it; what that rests on is the same for every search until something changes."""
            with state.store.at_once():
                return {
                    "words": words,
                    "holders": questions.holders(state.config, words, most),
                    "rests_on": coverage(state, caller, about),
                }

        context |= await state.ask(answer)
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


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
    except ValueError as error:
        raise UsageError(f"since: {text} is no day; write it as 2026-11-29") from error


@router.get("/trends")
async def show_trends(state: State, caller: Reader) -> HtmlPage:
    """Findings, failures and coverage, run by run; and how old results are."""

    def answer() -> HtmlPage:
        """The plots, and the ages."""
        known = results.list_results(state.config, most=trends.MOST)
        now = datetime.now(UTC)
        targets, _ = state.once(("page", caller.owners), lambda: questions.every_target(state.config))
        days = state.once(("ages", now.date()), lambda: state.store.result_ages(now, trends.MOST_DAYS))
        line = trends.age_line(days)
        context = {
            "view": "trends",
            "plots": (*trends.trends(known), *([line] if line else [])),
            "ages": trends.ages(targets, now),
            "runs": len(known),
        }
        return HtmlPage("trends.html.j2", context)

    return await state.ask(answer)


@router.get("/runs")
async def list_runs(state: State, caller: Reader) -> HtmlPage:
    """The runs, those that are not over first."""
    found = await state.ask(questions.every_run, state.config, caller.owners)
    return HtmlPage("runs.html.j2", {"view": "runs", **found._asdict()})


@router.get("/runs/{run}")
async def show_run(state: State, caller: Reader, run: str) -> HtmlPage:
    """One run: what its cells do now, or its ledger."""
    found = await state.ask(questions.one_run_of, state.config, caller.owners, run)
    may_cancel = may_start(caller) and not found.over
    return HtmlPage("run.html.j2", {"view": "runs", "run": found, "may_cancel": may_cancel})


@work.post("/runs/{run}/cancel")
async def cancel(request: Request, state: State, caller: Submitter, run: str) -> Response:
    """End a run now, and show it."""
    await state.do(cancel_run, state, request.app.state.carried, run, caller.owners)
    return RedirectResponse(f"/runs/{quote(run, safe='')}", _SEE_OTHER)


@router.get("/runs/{run}/progress")
async def progress(state: State, caller: Reader, run: str) -> Response:
    """The part of its page that changes while it runs."""
    found = await state.ask(questions.one_run_of, state.config, caller.owners, run)
    return Response(rendering.fragment("progress.html.j2", {"run": found}), media_type="text/html")
