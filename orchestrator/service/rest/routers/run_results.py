"""What one run found: its merged findings, and the worst of them; and how fresh the scheduler keeps everything."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from orchestrator.api import lists
from orchestrator.api import results as results_api
from orchestrator.api.json_documents import mappings, plain
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import MergedRow
from orchestrator.queries.choice import Choice
from orchestrator.queries.coverage import coverage_of
from orchestrator.results.errors import NoResultsError
from orchestrator.results.run import RunResults
from orchestrator.service.rest.answers import JsonAnswer, as_json
from orchestrator.service.rest.caller import READS
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.pages import Page, PageAsked
from orchestrator.service.rest.problems import AbsentError
from orchestrator.service.rest.routers.findings import FindingChoice
from orchestrator.service.rest.routers.questions import State, page_document
from orchestrator.service.rest.state import ServiceState

#: None of these is marked for callers who see some owners only: what a run left lies there as a whole.
router = APIRouter(dependencies=[READS])


def _results(state: ServiceState, run: str) -> RunResults:
    try:
        return results_api.open_results(state.config, run)
    except (UsageError, NotKnownError) as error:  # which names the volume
        raise AbsentError(f"there is no run {run} that has finished") from error


@router.get(
    "/api/v1/runs/{run}/findings", summary="List what a run found", operation_id="list_run_findings", tags=["runs"]
)
async def findings(run: str, state: State, page: Page, choice: FindingChoice) -> JsonAnswer:
    """Merged findings of one run, target by target, as they were when it ended."""
    return JsonAnswer(await state.ask(as_json(_findings), state, run, page, choice))


def _findings(state: ServiceState, run: str, page: PageAsked, choice: Choice) -> dict[str, Any]:
    results = _results(state, run)
    try:
        rests = coverage_of(run, results.ledger.rows, choice, results.looks_for)
        # Bound to the file: a run that is tried again, or suppressed again, has other rows.
        scheme = CursorScheme("run findings", {"run": run, "choice": plain(choice), "file": _file(results)})
        found = lists.run_findings_page(results, choice, scheme.read(page.cursor, int) or 0, page.limit)
    except NoResultsError as error:
        raise AbsentError(f"run {run} has no merged findings that could be read") from error
    following = "" if found.last is None else scheme.spell(found.last)
    return page_document("findings", mappings(found.rows, MergedRow), following, page, rests)


def _file(results: RunResults) -> list[int]:
    try:
        found = (results.folder / "merged.parquet").stat()
    except FileNotFoundError:
        return []
    return [found.st_mtime_ns, found.st_size]


@router.get(
    "/api/v1/runs/{run}/highlights",
    summary="What a run found, in short",
    operation_id="get_run_highlights",
    tags=["runs"],
)
async def highlights(run: str, state: State) -> JsonAnswer:
    """How many findings of each severity a run left open, and the ten worst."""
    return JsonAnswer(await state.ask(as_json(_highlights), state, run))


def _highlights(state: ServiceState, run: str) -> Any:
    found = results_api.highlights(state.config, _results(state, run).run)
    if found is None:
        raise AbsentError(f"run {run} has no merged findings that could be read")
    return found


@router.get("/api/v1/backlog", summary="How fresh everything is", operation_id="get_backlog", tags=["matrix"])
async def backlog(state: State) -> JsonAnswer:
    """What a scheduler keeps fresh: by scan what is fresh, due, failed and waiting; the runs in flight."""
    return JsonAnswer(await state.ask(as_json(lists.backlog), state.config))
