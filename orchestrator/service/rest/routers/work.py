"""What changes something: plans, runs that are submitted, tried again, cancelled."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Header, Request

from orchestrator import engines
from orchestrator.api import run as run_api
from orchestrator.api.submission import RunRequest, plan_of, submitted
from orchestrator.kit.json_bounds import explain
from orchestrator.service.rest.answers import JsonAnswer
from orchestrator.service.rest.background import CarriedRuns
from orchestrator.service.rest.caller import SUBMITS, Caller, Role, needs
from orchestrator.service.rest.middleware.audit import changed
from orchestrator.service.rest.problems import MediaTypeError, RequestError
from orchestrator.service.rest.routers.questions import State
from orchestrator.service.rest.routers.runs import status_of
from orchestrator.service.rest.state import ServiceState

#: None of these is marked for callers who see some owners only: runs are of any targets.
router = APIRouter(tags=["work"], dependencies=[SUBMITS])
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
async def make(request: Request, state: State) -> JsonAnswer:
    """Every cell with its decision, every image by digest, and what it costs; nothing is written and nothing runs."""
    return JsonAnswer(await state.do(plan_of, state.config, await _body(request, RunRequest)))


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
    answer = await state.do(start_run, state, carried, asked, idempotency_key, caller.name)
    changed(request, run=answer["run"])
    location = {"Location": f"/api/v1/runs/{answer['run']}"}
    return JsonAnswer(answer, 202, location)


def start_run(state: ServiceState, carried: CarriedRuns, asked: RunRequest, key: str, by: str) -> dict[str, Any]:
    """Plan and start a run: on the cluster, or within this service."""
    found = submitted(state.config, asked, key=key, by=by)
    run, ledger = found.plan.run, state.volume.results(found.plan.run) / "ledger.json"
    if not (found.known and ledger.exists()):
        if engines.is_remote(state.config):
            run_api.submit(found.plan, state.config)
        else:
            carried.run(found.plan, state.config)
    return {"run": run, "known": found.known, "cells": found.plan.budget.cells, "targets": len(found.plan.targets)}


@router.post("/api/v1/runs/{run}/retry", summary="Run failed cells again", operation_id="retry_run", status_code=202)
async def retry(run: str, request: Request, state: State) -> JsonAnswer:
    """The failed cells of a run that has ended are run again, and its ledger is updated."""
    await state.do(_retry, state, request.app.state.carried, run)
    return JsonAnswer({"run": run}, 202)


def _retry(state: ServiceState, carried: CarriedRuns, run: str) -> None:
    if not status_of(state, run).ended:
        raise RequestError(f"run {run} has not ended yet; cancel it first, or wait")
    if engines.is_remote(state.config):
        run_api.retry(state.config, run)
    else:
        carried.retry(run, state.config)


@router.post("/api/v1/runs/{run}/cancel", summary="Cancel a run", operation_id="cancel_run")
async def cancel(run: str, state: State) -> JsonAnswer:
    """A run ends now; what was done is kept, and its ledger says which cells were cancelled."""
    stopped = await state.do(cancel_run, state, run)
    return JsonAnswer({"run": run, "stopped": stopped})


def cancel_run(state: ServiceState, run: str) -> tuple[str, ...]:
    """End a run; one that has ended already is left as it is."""
    return () if status_of(state, run).ended else run_api.cancel(state.config, run)
