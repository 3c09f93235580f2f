"""What comes of answers: the whole document, or server-sent events (WHATWG, HTML, 9.2) as they come.

There are libraries for such events; each is bound to another HTTP library than ours.
"""

from __future__ import annotations

from collections import deque
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING

from orchestrator.client.connection import Intake, check_status, failures_as_ours, is_stream
from orchestrator.client.errors import ServiceAnswerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx2

    from orchestrator.client.connection import ServiceAddress, ServiceLimits
    from orchestrator.client.exchange import ServiceRequest


def whole(answer: httpx2.Response, request: ServiceRequest, address: ServiceAddress, limits: ServiceLimits) -> bytes:
    """The document of an answer.

    Raises:
        ScanmatrixError: the answer is a problem, not the service's, too large, or too slow.
    """
    intake = Intake(limits, address.url, success=answer.is_success)
    for part in answer.iter_bytes():
        if not intake.put(part):
            break
    return check_status(request, address, answer.status_code, answer.headers, intake.whole())


async def whole_async(
    answer: httpx2.Response, request: ServiceRequest, address: ServiceAddress, limits: ServiceLimits
) -> bytes:
    """The same of an answer that is awaited."""
    intake = Intake(limits, address.url, success=answer.is_success)
    async for part in answer.aiter_bytes():
        if not intake.put(part):
            break
    return check_status(request, address, answer.status_code, answer.headers, intake.whole())


class EventReader:
    """Reads events as their bytes come.

    Args:
        where: address of the service, for messages.
        most: bytes of one event.
    """

    def __init__(self, where: str, most: int) -> None:
        self._where = where
        self._most = most
        self._rest = b""
        self._kind = b""
        self._data: list[bytes] = []
        self._size = 0
        self._events: deque[bytes] = deque()

    def put(self, part: bytes) -> None:
        """Take the next bytes.

        Raises:
            ServiceAnswerError: an event is too large.
        """
        *lines, self._rest = (self._rest + part).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            self._read(line)
        if self._size + len(self._rest) > self._most:
            raise ServiceAnswerError(f"{self._where} sent an event of more than {self._most:,} bytes")

    def take(self) -> bytes | None:
        """The next event: its kind, a line break, and its data; None where no other is there yet."""
        return self._events.popleft() if self._events else None

    def _read(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if self._data:
                self._events.append(self._kind + b"\n" + b"\n".join(self._data))
            self._kind, self._data, self._size = b"", [], 0
        elif name == b"event":
            self._kind = value
        elif name == b"data":
            self._data.append(value)
            self._size += len(value)


class WaitedStream:
    """The events of one script, from a stream that is opened when the first one is wanted.

    Args:
        http: of the client.
        address: of the service.
        limits: of the client.
    """

    def __init__(self, http: httpx2.Client, address: ServiceAddress, limits: ServiceLimits) -> None:
        self._of = http, address, limits
        self._open = ExitStack()
        self._parts: Iterator[bytes] | None = None
        self._events = EventReader("", 0)

    def close(self) -> None:
        """End it."""
        self._parts = None
        self._open.close()

    def next(self, request: ServiceRequest) -> bytes:
        """The next event; empty at the end of the stream, after which a new one is opened.

        Raises:
            ScanmatrixError: there is no such stream, or it broke off.
        """
        event = b""
        try:
            with failures_as_ours(request, self._of[1]):
                event = self._next(request)
        finally:
            if not event:
                self.close()
        return event

    def _next(self, request: ServiceRequest) -> bytes:
        http, address, limits = self._of
        if self._parts is None:
            answer = self._open.enter_context(http.stream(**address.spell_stream(request, limits)))
            if not is_stream(answer.status_code, answer.headers):
                whole(answer, request, address, limits)
                raise ServiceAnswerError(f"{address.url} answered {request} with a document, not with a stream")
            self._events, self._parts = EventReader(address.url, limits.most_bytes), answer.iter_bytes()
        while (event := self._events.take()) is None:
            if not (part := next(self._parts, b"")):
                return b""
            self._events.put(part)
        return event


class AwaitedStream:
    """The same for asyncio.

    Args:
        http: as for `WaitedStream`.
        address: as for `WaitedStream`.
        limits: as for `WaitedStream`.
    """

    def __init__(self, http: httpx2.AsyncClient, address: ServiceAddress, limits: ServiceLimits) -> None:
        self._of = http, address, limits
        self._open = AsyncExitStack()
        self._parts: AsyncIterator[bytes] | None = None
        self._events = EventReader("", 0)

    async def aclose(self) -> None:
        """End it."""
        self._parts = None
        await self._open.aclose()

    async def next(self, request: ServiceRequest) -> bytes:
        """See `WaitedStream.next`."""
        event = b""
        try:
            with failures_as_ours(request, self._of[1]):
                event = await self._next(request)
        finally:
            if not event:
                await self.aclose()
        return event

    async def _next(self, request: ServiceRequest) -> bytes:
        http, address, limits = self._of
        if self._parts is None:
            answer = await self._open.enter_async_context(http.stream(**address.spell_stream(request, limits)))
            if not is_stream(answer.status_code, answer.headers):
                await whole_async(answer, request, address, limits)
                raise ServiceAnswerError(f"{address.url} answered {request} with a document, not with a stream")
            self._events, self._parts = EventReader(address.url, limits.most_bytes), answer.aiter_bytes()
        while (event := self._events.take()) is None:
            if not (part := await anext(self._parts, b"")):
                return b""
            self._events.put(part)
        return event
