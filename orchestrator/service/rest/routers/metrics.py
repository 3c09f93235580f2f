"""`/metrics`, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from orchestrator.service.rest.problems import RefusedError
from orchestrator.service.rest.routers.questions import Reader

router = APIRouter(tags=["metrics"])


@router.get("/metrics", summary="Metrics for Prometheus", operation_id="metrics")
async def metrics(request: Request, caller: Reader) -> Response:
    """How long requests take, and how the matrix stands; of all targets, so only for callers that may see them all."""
    if caller.owners is not None:
        raise RefusedError("metrics are of all targets, and this caller may see only some")
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)
