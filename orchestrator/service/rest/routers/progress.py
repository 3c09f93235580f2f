"""How runs stand that the engine knows, ended or not: all of them, one, and one as it changes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from orchestrator.api import lists
from orchestrator.api.json_documents import plain
from orchestrator.model import RunStatus
from orchestrator.service.rest.answers import JsonAnswer, as_json, encoded
from orchestrator.service.rest.caller import OWNERS_MAY, READS
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.live.progress import RunProgress
from orchestrator.service.rest.live.streams import EventStream
from orchestrator.service.rest.pages import Page, PageAsked
from orchestrator.service.rest.routers.questions import Reader, State, page_document
from orchestrator.service.rest.routers.runs import seen_by
from orchestrator.service.rest.state import ServiceState
from orchestrator.service.running import status_of

router = APIRouter(tags=["runs"], dependencies=[READS])
_EXAMPLE = (
    "event: change\n"
    'data: {"run":"20261129-100000-0a1b2c","state":"running",'
    '"cells":[{"target":"3f1c","scan":"grype","state":"ok"}]}\n\n'
)


@router.get("/api/v1/progress", summary="How all runs stand", operation_id="list_progress")
async def list_(state: State, page: Page) -> JsonAnswer:
    """How every run stands that the engine knows, cell by cell, ended or not, the newest first."""
    return JsonAnswer(await state.ask(as_json(_list), state, page))


def _list(state: ServiceState, page: PageAsked) -> dict[str, Any]:
    scheme = CursorScheme("progress", {})
    found = lists.statuses_page(state.config, scheme.read(page.cursor, str), page.limit)
    following = "" if found.last is None else scheme.spell(found.last)
    return page_document("progress", [plain(row) for row in found.rows], following, page, None)


@router.get(
    "/api/v1/runs/{run}/progress",
    summary="The progress of a run",
    operation_id="get_run_progress",
    dependencies=[OWNERS_MAY],
)
async def one(run: str, state: State, caller: Reader) -> JsonAnswer:
    """What each cell of a run is doing now; of a run on this machine or in the cluster."""
    status = await seen_by(state, caller, await state.ask(status_of, state, run))
    return JsonAnswer(await state.ask(encoded, status))


@router.get(
    "/api/v1/runs/{run}/progress/events",
    summary="The progress of a run, as server-sent events",
    status_code=200,  # which its class of answer does not say
    response_class=EventStream,
    responses={
        200: {"content": {"text/event-stream": {"example": _EXAMPLE}}, "description": "A stream until the run ends"}
    },
    dependencies=[OWNERS_MAY],
)
async def follow(run: str, request: Request, state: State, caller: Reader) -> EventStream:
    """Send how a run stands, and what changes of it, until it has ended.

    Kinds: `status` (the document of its progress), `change` (the same, with only those cells and pulls that are others
    than before), `end`. A stream that breaks off without `end` is asked for again.
    """
    progress: RunProgress = request.app.state.progress

    async def read() -> RunStatus:
        """How it stands now."""
        return await state.ask(status_of, state, run)

    async def seen(status: RunStatus) -> RunStatus:
        """The same for this caller."""
        return await seen_by(state, caller, status)

    await seen(await read())  # whose errors are an answer, not the end of a stream
    progress.begin(run)
    return EventStream(progress.events(run, read, seen), lambda: progress.leave(run))
