"""`/healthz` and `/readyz`, for probes: whether the process lives, and whether it can answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from orchestrator.service.rest.answers import JsonAnswer
from orchestrator.service.rest.problems import BusyError
from orchestrator.service.rest.state import ServiceState, state_of

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Whether the process lives", operation_id="healthz")
async def healthz() -> JsonAnswer:
    """Answers as long as the process does anything at all; asks neither store nor volume."""
    return JsonAnswer({"status": "ok"})


@router.get("/readyz", summary="Whether the service can answer", operation_id="readyz")
async def readyz(state: Annotated[ServiceState, Depends(state_of)]) -> JsonAnswer:
    """Ready once the store answers, its tables are of this version, and what the volume has is imported."""
    if state.stopping.is_set():
        raise BusyError("the service is about to end")
    await state.ask(state.store.check)
    return JsonAnswer({"status": "ok"})
