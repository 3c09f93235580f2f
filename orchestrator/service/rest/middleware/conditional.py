"""ETags: an answer that a caller has already is not sent again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fastapi.datastructures import Headers
from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Larger answers are streams, and are sent as they are.
_LARGEST = 8 * 1024 * 1024
_TYPES = ("application/json", "text/html", "application/vnd.cyclonedx+json")


class ConditionalAnswers:
    """Gives each whole answer to a GET a weak ETag made of its bytes, and answers 304 where the caller has them.

    A file is sent in pieces, and has a tag of its own, by its time and size.

    Args:
        app: what is within it; compression stays outside, so that the tag is of the content.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and what it is answered, unless the caller has that."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        asked = {each.strip().removeprefix("W/") for each in Headers(scope=scope).get("if-none-match", "").split(",")}
        await self._app(scope, receive, _Answer(send, asked).send)


class _Answer:
    """An answer on its way to a caller who may have it already: in pieces with a tag of its own, or whole."""

    def __init__(self, send: Send, asked: set[str]) -> None:
        self._send = send
        self._asked = asked
        self._held: Message | None = None
        self._has_it = False

    async def send(self, message: Message) -> None:
        """Send a message, unless the caller has the answer."""
        if self._has_it:
            return
        if message["type"] == "http.response.start" and message["status"] == 200:  # noqa: PLR2004
            headers = Headers(raw=message["headers"])
            if tag := headers.get("etag", ""):
                await self._begin(message, tag)
                return
            if _is_small(headers):
                self._held = message
                return
        elif self._held is not None and message["type"] == "http.response.body":
            head, self._held = self._held, None
            if message.get("more_body", False):
                await self._send(head)
            else:
                tag = f'W/"{hashlib.blake2b(message.get("body", b""), digest_size=12).hexdigest()}"'
                MutableHeaders(raw=head["headers"])["ETag"] = tag
                await self._begin(head, tag)
        if not self._has_it:
            await self._send(message)

    async def _begin(self, head: Message, tag: str) -> None:
        self._has_it = "*" in self._asked or tag.removeprefix("W/") in self._asked
        if not self._has_it:
            await self._send(head)
            return
        del MutableHeaders(raw=head["headers"])["content-length"]
        await self._send({**head, "status": 304})
        await self._send({"type": "http.response.body", "body": b""})


def _is_small(headers: Headers) -> bool:
    kind = headers.get("content-type", "").partition(";")[0]
    return kind in _TYPES and int(headers.get("content-length", _LARGEST + 1)) <= _LARGEST
