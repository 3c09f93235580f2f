"""What every page has: who looks at it, and where it cannot be made a page that says why and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from orchestrator.errors import ScanmatrixError, UsageError
from orchestrator.service.page import rendering
from orchestrator.service.page.rendering import HtmlPage
from orchestrator.service.rest import problems
from orchestrator.service.rest.caller import ANYBODY, COOKIE, Caller, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from fastapi import Request, Response


class PageRoute(APIRoute):
    """A route whose errors are pages, too: what happened, and what to do next."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with what it raises."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            """The page, or one that says what is wrong."""
            rendering.VIEWER.set(viewer_of(request))
            try:
                return await handle(request)
            except RequestValidationError as error:
                return error_page(request, UsageError("; ".join(each["msg"] for each in error.errors()[:10])))
            except (ScanmatrixError, OSError) as error:
                return error_page(request, error)

        return answer


def may_start(caller: Caller) -> bool:
    """Whether somebody may start runs, and end them, of what they may see."""
    return caller.role >= Role.SUBMIT


def viewer_of(request: Request) -> rendering.Viewer:
    """Who looks; nobody where the service listens on loopback without asking."""
    caller: Caller | None = request.scope.get("state", {}).get("caller")
    if request.app.state.guard is None or caller is None or caller == ANYBODY:
        return rendering.Viewer()
    return rendering.Viewer(caller.name, caller.role.name.lower(), COOKIE in request.cookies)


def error_page(request: Request, error: Exception) -> Response:
    """An error as the API has it, for people, with what to do next."""
    return problem_page(request, problems.problem_of(request, error))


def problem_page(request: Request, answer: Response) -> Response:
    """A problem as the API has it, for people, with what to do next."""
    rendering.VIEWER.set(viewer_of(request))
    problem = msgspec.json.decode(answer.body)
    kind = problem["type"].rpartition(":")[2]
    wait = answer.headers.get("Retry-After", "")
    context = {"view": "", "problem": problem, "kind": kind, "wait": wait, "again": _again(request)}
    page = HtmlPage("error.html.j2", context, answer.status_code)
    for name in ("Retry-After", "WWW-Authenticate", "Allow"):
        if name in answer.headers:
            page.headers[name] = answer.headers[name]
    return page


def _again(request: Request) -> str:
    """The address of this page, to ask for it again; empty for what changes something."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}" if request.method == "GET" else ""
