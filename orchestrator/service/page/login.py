"""Who looks at the pages: a token that somebody types once, kept by the browser for this service alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request, Response
from fastapi.requests import HTTPConnection
from fastapi.responses import RedirectResponse

from orchestrator.errors import ScanmatrixError
from orchestrator.service.page.errors import PageRoute
from orchestrator.service.page.rendering import HtmlPage
from orchestrator.service.rest.caller import COOKIE
from orchestrator.service.rest.problems import RequestError, UnauthenticatedError, kind_of

if TYPE_CHECKING:
    from starlette.types import Scope

    from orchestrator.service.rest.caller import CallerGuard

_MOST, _FIELDS, _SEE_OTHER = 16 * 1024, 10, 303

router = APIRouter(tags=["page"], include_in_schema=False, route_class=PageRoute)


def asks_for_page(connection: HTTPConnection) -> bool:
    """Whether somebody opens a page in a browser, who can be shown where to log in."""
    scope = connection.scope
    wants = scope["type"] == "http" and scope["method"] == "GET" and "text/html" in connection.headers.get("accept", "")
    return wants and not scope["path"].startswith("/api/")


def to_login(connection: HTTPConnection) -> Response:
    """The way to the page on which a token is typed, and back."""
    query = connection.scope["query_string"].decode("latin-1")
    path = connection.scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(path, safe='')}", _SEE_OTHER)


@router.get("/login")
async def ask(request: Request, next: str = "/") -> Response:  # noqa: A002 - its name outside
    """The page on which a token is typed."""
    if request.app.state.guard is None:
        return RedirectResponse("/", _SEE_OTHER)
    return HtmlPage("login.html.j2", {"view": "login", "next": _own(next), "trouble": ""})


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Keep a token that holds."""
    try:
        form = parse_qs((await request.body())[:_MOST].decode("utf-8", "replace"), max_num_fields=_FIELDS)
    except ValueError as error:
        raise RequestError(f"the form has more than {_FIELDS} fields") from error
    token, after = (form.get(name, [""])[0].strip() for name in ("token", "next"))
    guard: CallerGuard | None = request.app.state.guard
    try:
        if guard is not None:
            await guard.identify(HTTPConnection(_with_token(request.scope, token)))
    except ScanmatrixError as error:
        context = {"view": "login", "next": _own(after), "trouble": str(error)}
        return HtmlPage("login.html.j2", context, kind_of(error).status)
    answer = RedirectResponse(_own(after), _SEE_OTHER)
    # A proxy that ends TLS asks us without: then the browser alone says that it came by it.
    secure = request.scope["scheme"] == "https" or request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)
    return answer


@router.post("/logout")
async def log_out() -> Response:
    """Forget the token."""
    answer = RedirectResponse("/login", _SEE_OTHER)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer


def _with_token(scope: Scope, token: str) -> dict[str, Any]:
    if not token.isascii() or not token.isprintable():
        raise UnauthenticatedError("this is no token of this service")
    return {**scope, "headers": [(b"authorization", f"Bearer {token}".encode())]}


def _own(path: str) -> str:
    """A path of this service; whatever could lead elsewhere becomes the matrix."""
    fits = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isascii() and path.isprintable()
    return path if fits else "/"
