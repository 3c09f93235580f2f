"""The application: routes, what holds for all of them, and what runs beside them."""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.gzip import GZipMiddleware
from prometheus_client import CollectorRegistry, Gauge
from starlette.exceptions import HTTPException
from starlette.routing import Match

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.collecting import give_back
from orchestrator.kit.own import own_version
from orchestrator.receiving.proof import senders_of
from orchestrator.service.events.jobs.runner import make_runner
from orchestrator.service.events.receiver import EventReceiver
from orchestrator.service.events.sinks import EventSinks
from orchestrator.service.events.worker import EventWorker
from orchestrator.service.page.errors import problem_page
from orchestrator.service.page.login import asks_for_page
from orchestrator.service.rest import problems
from orchestrator.service.rest.background import CarriedRuns
from orchestrator.service.rest.contract import contract
from orchestrator.service.rest.live.hub import LiveEvents
from orchestrator.service.rest.live.progress import RunProgress
from orchestrator.service.rest.logs import log_request
from orchestrator.service.rest.metrics.durations import Durations
from orchestrator.service.rest.metrics.events import EventMetrics
from orchestrator.service.rest.metrics.families import take
from orchestrator.service.rest.metrics.gauges import MatrixGauges
from orchestrator.service.rest.middleware.audit import Audited
from orchestrator.service.rest.middleware.bodies import BodyLimits
from orchestrator.service.rest.middleware.boundary import Boundary
from orchestrator.service.rest.middleware.conditional import ConditionalAnswers
from orchestrator.service.rest.middleware.watched import Watched
from orchestrator.service.rest.paths import shown_path
from orchestrator.service.rest.routers import routers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from fastapi import Request, Response

    from orchestrator.service.rest.caller import CallerGuard
    from orchestrator.service.rest.state import ServiceState

TITLE = "scanmatrix"
_SMALLEST, _LEVEL = 500, 5
# Looks for ended runs between two looks at how the matrix stands, and seconds until the first.
_MEASURED, _SOON = 6, 0.2
#: How many times as long as taking the gauges took nothing is done about them: requests need the processor, too.
_REST = 20
# Seconds after which memory that is free is given back.
_GIVEN_BACK = 30
_log = logging.getLogger(__name__)


def make_app(state: ServiceState, *, guard: CallerGuard | None = None) -> FastAPI:
    """The application.

    Args:
        state: what all requests share; its store is open for as long as the application runs.
        guard: tells who asks; None only for one that listens on loopback alone.
    """
    registry = CollectorRegistry()
    gauges = MatrixGauges()
    registry.register(gauges)
    carried = CarriedRuns(state.see)
    events = EventMetrics(registry, lambda: worker.counts)
    sinks = EventSinks(state.config.events, os.environ)
    closing = ExitStack()
    jobs = make_runner(state.config, state.inbox, sinks, count=events.count, until=closing)
    worker = EventWorker(state, carried, sinks, count=events.count, jobs=jobs)
    receiver = EventReceiver(state.config.events, state.inbox, count=events.count, wake=worker.wake)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        """What runs beside the requests."""
        with closing:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(state.keep_filled)
                tasks.start_soon(live.run)
                tasks.start_soon(_keep_measured, state, gauges)
                tasks.start_soon(_keep_small, state)
                tasks.start_soon(receiver.run)
                tasks.start_soon(worker.run)
                yield
                state.stopping.set()
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(carried.stop)

    app = FastAPI(
        title=TITLE,
        version=own_version(),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.service = state
    app.state.guard = guard
    live = app.state.live = LiveEvents(state.kept.store.events, lambda: state.kept.filled, state.stopping)
    app.state.progress = RunProgress(state.stopping)
    app.state.routers = routers()
    _gauge(registry, "scanmatrix_followers", "Callers that follow what changes", lambda: live.followers)
    _gauge(registry, "scanmatrix_questions_waiting", "Questions that wait for their turn", lambda: state.waiting)
    for router in app.state.routers:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(ScanmatrixError, _of_ours)
    app.add_exception_handler(OSError, _of_ours)
    app.state.registry, app.state.carried, app.state.receiver = registry, carried, receiver
    app.state.senders = senders_of(state.config.events, os.environ)
    app.openapi = lambda: contract(app)  # type: ignore[method-assign]
    # The one that is added last is the outermost.
    app.add_middleware(ConditionalAnswers)
    app.add_middleware(GZipMiddleware, minimum_size=_SMALLEST, compresslevel=_LEVEL)
    app.add_middleware(BodyLimits, settings=state.settings)
    app.add_middleware(Audited)
    app.add_middleware(Boundary, guard=guard)
    app.add_middleware(Watched, ended=Durations(registry).observe)
    app.add_middleware(Watched, ended=log_request)
    return app


def _gauge(registry: CollectorRegistry, name: str, text: str, value: Callable[[], float]) -> None:
    """Expose a number that is known at every moment."""
    Gauge(name, text, registry=registry).set_function(value)


async def _keep_measured(state: ServiceState, gauges: MatrixGauges) -> None:
    """Take the gauges again and again; where that fails the last ones stay, and their age tells."""
    told = ""
    while not state.stopping.is_set():
        began = time.monotonic()
        try:
            if state.kept.filled:
                gauges.snapshot = await state.do(take, state)
            told = ""
        except (ScanmatrixError, OSError) as error:
            if str(error) != told:
                _log.warning("metrics of the matrix cannot be taken: %s", error)
            told = str(error)
        usual = state.settings.refresh_seconds * _MEASURED if gauges.snapshot else _SOON
        await anyio.sleep(max(usual, (time.monotonic() - began) * _REST))


async def _keep_small(state: ServiceState) -> None:
    """Give memory back now and then, so that it is the same after a day as after an hour."""
    while not state.stopping.is_set():
        await anyio.sleep(_GIVEN_BACK)
        await to_thread.run_sync(give_back)


async def _of_ours(request: Request, error: Exception) -> Response:
    return problems.problem_of(request, error)


async def _of_http(request: Request, error: Exception) -> Response:
    """What the router itself refuses."""
    if not isinstance(error, HTTPException):
        raise error
    kind = {404: problems.NOT_FOUND, 405: problems.NOT_ALLOWED, 415: problems.MEDIA}.get(
        error.status_code, problems.BAD_REQUEST
    )
    path = shown_path(request.url.path)
    said = {404: f"there is no path {path}", 405: f"{path} does not take {request.method}"}
    detail = said.get(error.status_code, str(error.detail))
    headers = {"Allow": ", ".join(_methods(request))} if kind is problems.NOT_ALLOWED else error.headers
    answer = problems.problem(request, kind, detail, headers=headers)
    return problem_page(request, answer) if asks_for_page(request) else answer


def _methods(request: Request) -> list[str]:
    """What a path takes: each method is a route of its own, and the router names those of the first one alone."""
    known = (route for router in request.app.state.routers for route in router.routes)
    routes = [route for route in known if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


async def _of_validation(request: Request, error: Exception) -> Response:
    """What a parameter or a body is, and should not be: each mistake with its place."""
    if not isinstance(error, RequestValidationError):
        raise error
    mistakes = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:10]]
    return problems.problem(request, problems.BAD_REQUEST, "; ".join(mistakes))
