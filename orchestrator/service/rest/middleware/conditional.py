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
        start: Message | None = None

        async def send_or_not(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                kind = headers.get("content-type", "").partition(";")[0]
                length = int(headers.get("content-length", _LARGEST + 1))
                if message["status"] == 200 and kind in _TYPES and length <= _LARGEST:  # noqa: PLR2004
                    start = message
                    return
            elif start is not None and message["type"] == "http.response.body":
                head, start = start, None
                body = message.get("body", b"")
                tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
                headers_out = MutableHeaders(raw=head["headers"])
                headers_out["ETag"] = f"W/{tag}"
                if tag in asked or "*" in asked:
                    del headers_out["content-length"]
                    await send({**head, "status": 304})
                    await send({"type": "http.response.body", "body": b""})
                    return
                await send(head)
            await send(message)

        await self._app(scope, receive, send_or_not)
