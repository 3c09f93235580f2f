"""Runs as the service has them started, tried again, cancelled: by a request, from its page, or by an event.

An engine whose runs continue by themselves is given them; those of the local engine are carried by this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator import engines
from orchestrator.api import run as run_api
from orchestrator.api.owned import require_run
from orchestrator.api.submission import RunRequest, RunSubmission, submitted
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.queries.opening import as_everybody
from orchestrator.results.provisional import is_whole
from orchestrator.service.rest.problems import AbsentError, RequestError

if TYPE_CHECKING:
    from orchestrator.model import RunStatus
    from orchestrator.service.rest.background import CarriedRuns
    from orchestrator.service.rest.caller import Caller
    from orchestrator.service.rest.state import ServiceState


def start_run(state: ServiceState, carried: CarriedRuns, asked: RunRequest, key: str, by: Caller) -> dict[str, Any]:
    """Plan and start a run of what the caller answers for: on the cluster, or within this service."""
    with as_everybody():
        found = submitted(state.config, asked, key=key, by=by.name, owners=by.owners)
        start_plan(state, carried, found)
    return {
        "run": found.plan.run,
        "known": found.known,
        "cells": found.plan.budget.cells,
        "targets": len(found.plan.targets),
    }


def start_plan(state: ServiceState, carried: CarriedRuns, found: RunSubmission) -> None:
    """Start a run that was planned; one that was started before continues, and one that has ended is left as it is."""
    # A run that was killed while its results were put together has a ledger already, but a provisional one.
    if not (found.known and is_whole(state.volume.results(found.plan.run))):
        if engines.is_remote(state.config):
            run_api.submit(found.plan, state.config)
        else:
            carried.run(found.plan, state.config)


def retry_run(state: ServiceState, carried: CarriedRuns, run: str, owners: frozenset[str] | None) -> None:
    """Run the failed cells of a run again.

    Raises:
        RequestError: it has not ended.
    """
    with as_everybody():
        if not _status_of_theirs(state, run, owners).ended:
            raise RequestError(f"run {run} has not ended yet; cancel it first, or wait")
        if engines.is_remote(state.config):
            run_api.retry(state.config, run)
        else:
            carried.retry(run, state.config)


def cancel_run(state: ServiceState, carried: CarriedRuns, run: str, owners: frozenset[str] | None) -> tuple[str, ...]:
    """End a run, on the cluster or within this service; one that has ended already is left as it is.

    Returns:
        Names of what was stopped.
    """
    with as_everybody():
        if _status_of_theirs(state, run, owners).ended:
            return ()
        return (f"run {run} in this service",) if carried.cancel(run) else run_api.cancel(state.config, run)


def status_of(state: ServiceState, run: str) -> RunStatus:
    """How a run stands, by its engine.

    Raises:
        AbsentError: there is none of that id; where the volume lies stays untold.
    """
    try:
        return run_api.status(state.config, run)
    except (UsageError, NotKnownError) as error:
        raise AbsentError(f"there is no run {run}") from error


def _status_of_theirs(state: ServiceState, run: str, owners: frozenset[str] | None) -> RunStatus:
    """How a run stands on which somebody may act.

    Raises:
        AbsentError: there is none.
        NotKnownError: none of its targets is theirs.
        NotTheirsError: some are not.
    """
    status = status_of(state, run)
    if owners is not None:
        require_run(state.config, run, owners)
    return status
