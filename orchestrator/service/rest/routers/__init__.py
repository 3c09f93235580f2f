"""The paths of the service, one module for each group; `routers()` is what the application has.

To add one: a module here with `router = APIRouter(tags=[…], dependencies=[READS])`, whose paths are whole
(`/api/v1/…`), and its line in `routers()`. The contract's golden file then shows the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter


def routers() -> tuple[APIRouter, ...]:
    """Every router there is."""
    from orchestrator.service.page import inside, login  # noqa: PLC0415 - they import the rest of us
    from orchestrator.service.page import routes as page  # noqa: PLC0415
    from orchestrator.service.rest.routers import (  # noqa: PLC0415
        events,
        files,
        findings,
        health,
        live,
        matrix,
        metrics,
        progress,
        run_results,
        runs,
        scan_results,
        work,
    )

    ours = (
        health, metrics, scan_results, runs, run_results, progress, matrix, findings, files, work, live, events,
    )  # fmt: skip
    return (*(each.router for each in ours), page.files, login.router, page.router, inside.router, page.work)
