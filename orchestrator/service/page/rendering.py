"""Pages from templates, and the files that they load: nothing from elsewhere, no script or style within them."""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
from fastapi import Response
from markupsafe import Markup

from orchestrator.kit.html import templates
from orchestrator.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of every page (CSP Level 3). It may speak to the service that it came from, and nobody else.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_NEVER = Markup('<span class="faint">never</span>')
_TIME = Markup('<time datetime="{}">{}</time>')
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
#: Parts of a file, each a package and a name in it: pages look as the HTML report does.
_FILES = {
    "page.css": (("orchestrator.exports.report", "page.css"), (__package__, "static/service.css")),
    "live.js": ((__package__, "static/live.js"),),
    "icon.svg": ((__package__, "static/icon.svg"),),
}


class Viewer(NamedTuple):
    """Who looks at a page.

    Attributes:
        name: empty where nobody has to say who they are.
        role: what they may do, in a word.
        leaves: whether they logged in here, so that they can log out.
    """

    name: str = ""
    role: str = ""
    leaves: bool = False


_NOBODY = Viewer()
#: Who looks at the page that is made; every page says it, at its top.
VIEWER: ContextVar[Viewer] = ContextVar("VIEWER", default=_NOBODY)


class HtmlPage(Response):
    """A page."""

    media_type = "text/html"

    def __init__(self, template: str, context: Mapping[str, Any], status: int = 200) -> None:
        content = _environment().get_template(template).render({"viewer": VIEWER.get(), **context})
        # Without a referrer a browser would say of our own forms that nobody knows which site they are from.
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
        super().__init__(content, status, headers)


def fragment(template: str, context: Mapping[str, Any]) -> str:
    """A part of a page."""
    return _environment().get_template(template).render(context)


def static_file(name: str) -> tuple[bytes, str] | None:
    """A file that pages load, and its media type; None where there is none of this name."""
    return (_content(name), _TYPES[name.rpartition(".")[2]]) if name in _FILES else None


def static_url(name: str) -> str:
    """Where a page finds a file: another address for other content, so that it may be kept as long as anybody likes."""
    return f"/static/{hashlib.blake2b(_content(name), digest_size=8).hexdigest()}/{name}"


@cache
def _content(name: str) -> bytes:
    return b"\n".join(files(package).joinpath(part).read_bytes() for package, part in _FILES[name])


@cache
def _environment() -> jinja2.Environment:
    environment = templates(jinja2.PackageLoader(__package__))
    environment.filters |= {"moment": _moment, "cut": _cut}
    environment.globals |= {"static": static_url, "badge": _badge, "when": _when}
    return environment


@cache
def _badge(severity: str) -> Markup:
    """A severity or outcome, of which there are few; a function, for a macro takes ten times as long on each row."""
    return Markup('<span class="badge state-{0}">{0}</span>').format(visible(severity))


@lru_cache(maxsize=4096)
def _when(moment: datetime | str | None) -> Markup:
    """A moment, for programs as well; many rows have the same."""
    if not moment:
        return _NEVER
    exact = moment.isoformat() if isinstance(moment, datetime) else visible(moment)
    return _TIME.format(exact, _moment(exact))


def _moment(value: datetime | str | None) -> str:
    """A moment for people, in UTC, to the minute; RFC 3339 or a datetime."""
    if not value:
        return "never"
    return (value.isoformat() if isinstance(value, datetime) else value).replace("T", " ")[:16] + " UTC"


def _cut(text: str, most: int) -> str:
    """A text whose middle is left out where it is too long: its beginning and its end tell it from others."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - half - 1]}…{text[-half:]}"
