"""Files of the volume: bills of materials, reports of runs and of cells, streamed as they lie there."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from orchestrator.api import files as files_api
from orchestrator.service.rest.caller import OWNERS_MAY, READS
from orchestrator.service.rest.problems import AbsentError
from orchestrator.service.rest.routers.questions import Reader, State

router = APIRouter(tags=["files"], dependencies=[READS])
_CYCLONEDX = "application/vnd.cyclonedx+json"


@router.get("/api/v1/runs/{run}/bom", summary="The BOM of a run", operation_id="get_run_bom")
async def run_bom(run: str, state: State) -> Response:
    """The merged CycloneDX document of all targets of a run."""
    return _file(await state.ask(files_api.run_bom, state.config, run), _CYCLONEDX)


@router.get("/api/v1/runs/{run}/report", summary="The report of a run", operation_id="get_run_report")
async def run_report(run: str, state: State) -> Response:
    """The HTML report of a run; it is downloaded, not shown, because it brings scripts of its own."""
    path = await state.ask(files_api.run_page, state.config, run)
    return _file(path, "text/html; charset=utf-8", name=f"{run}.html")


@router.get(
    "/api/v1/targets/{target}/bom",
    summary="The BOM of a target",
    operation_id="get_target_bom",
    dependencies=[OWNERS_MAY],
)
async def target_bom(target: str, state: State, caller: Reader) -> Response:
    """The CycloneDX document of one target, out of the latest run that has it, with its vulnerabilities."""
    data = await state.ask(files_api.target_bom, state.config, target, owners=caller.owners)
    return Response(data, media_type=_CYCLONEDX)


@router.get(
    "/api/v1/runs/{run}/cells/{target}/{scan}/report",
    summary="The report of a cell",
    operation_id="get_cell_report",
    dependencies=[OWNERS_MAY],
)
async def cell_report(run: str, target: str, scan: str, state: State, caller: Reader) -> Response:
    """What a scanner wrote in a cell, as it wrote it."""
    data = await state.ask(files_api.cell_report, state.config, run, target, scan, owners=caller.owners)
    headers = {"Content-Disposition": "attachment"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def _file(path: Path, media_type: str, *, name: str = "") -> FileResponse:
    """A file that is sent piece by piece; nothing but a regular file is."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise AbsentError(f"{path.name} is no file")
    except FileNotFoundError as error:
        raise AbsentError(f"{path.name} of this run is not on the volume any more") from error
    return FileResponse(path, media_type=media_type, filename=name or None)
