"""What changes something: plans, runs that are submitted, tried again, cancelled."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, Request

from orchestrator.api.submission import RunRequest, plan_of
from orchestrator.kit.json_bounds import explain
from orchestrator.model import Plan
from orchestrator.model.suppression import Suppression
from orchestrator.queries.opening import as_everybody
from orchestrator.service.rest.answers import JsonAnswer, as_json
from orchestrator.service.rest.background import CarriedRuns
from orchestrator.service.rest.caller import OWNERS_ACT, SUBMITS, Caller, Role, needs
from orchestrator.service.rest.middleware.audit import changed
from orchestrator.service.rest.problems import MediaTypeError, RequestError
from orchestrator.service.rest.routers.questions import State
from orchestrator.service.rest.state import ServiceState
from orchestrator.service.running import cancel_run, retry_run, start_run

#: Each of these is given the caller's owners, and refuses what is not theirs by `orchestrator.api.owned`.
router = APIRouter(tags=["work"], dependencies=[SUBMITS, OWNERS_ACT])
Submitter = Annotated[Caller, Depends(needs(Role.SUBMIT))]
T = TypeVar("T")


async def _body(request: Request, kind: type[T]) -> T:
    """The body of a request.

    Raises:
        MediaTypeError: it is no JSON.
        RequestError: it is of another shape.
    """
    said = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if said != "application/json":
        raise MediaTypeError(f"send application/json, not {said or 'a body without a type'}")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body {explain(error)}") from error


@router.post("/api/v1/plan", summary="Plan without running", operation_id="make_plan")
async def make(request: Request, state: State, caller: Submitter) -> JsonAnswer:
    """Every cell with its decision, every image by digest, and what it costs; nothing is written and nothing runs."""
    asked = await _body(request, RunRequest)
    return JsonAnswer(await state.do(as_json(_plan), state, asked, caller.owners))


def _plan(state: ServiceState, asked: RunRequest, owners: frozenset[str] | None) -> Plan:
    with as_everybody():
        plan = plan_of(state.config, asked, owners=owners)
    # Ignore rules may name others' targets.
    return plan if owners is None else msgspec.structs.replace(plan, suppression=Suppression())


@router.post("/api/v1/runs", summary="Submit a run", operation_id="submit_run", status_code=202)
async def submit(
    request: Request,
    state: State,
    caller: Submitter,
    idempotency_key: Annotated[str, Header(max_length=200, description="The same key submits one run")] = "",
) -> JsonAnswer:
    """Plan and start a run; with a key that was used before nothing new is started, and its run is the answer."""
    asked = await _body(request, RunRequest)
    carried: CarriedRuns = request.app.state.carried
    answer = await state.do(start_run, state, carried, asked, idempotency_key, caller)
    changed(request, run=answer["run"])
    location = {"Location": f"/api/v1/runs/{answer['run']}"}
    return JsonAnswer(answer, 202, location)


@router.post("/api/v1/runs/{run}/retry", summary="Run failed cells again", operation_id="retry_run", status_code=202)
async def retry(run: str, request: Request, state: State, caller: Submitter) -> JsonAnswer:
    """The failed cells of a run that has ended are run again, and its ledger is updated."""
    await state.do(retry_run, state, request.app.state.carried, run, caller.owners)
    return JsonAnswer({"run": run}, 202)


@router.post("/api/v1/runs/{run}/cancel", summary="Cancel a run", operation_id="cancel_run")
async def cancel(run: str, request: Request, state: State, caller: Submitter) -> JsonAnswer:
    """A run ends now; what was done is kept, and its ledger says which cells were cancelled."""
    stopped = await state.do(cancel_run, state, request.app.state.carried, run, caller.owners)
    return JsonAnswer({"run": run, "stopped": stopped})
