"""The two clients of a service, which play the same scripts: one waits, the other is awaited.

with ServiceClient("https://scanmatrix.example") as service:       # the token is in SCANMATRIX_TOKEN
    rows, coverage = service.findings_now(Choice(severity=Severity.HIGH))

async with AsyncServiceClient("https://scanmatrix.example") as service:
    async for row in service.findings():
        print(row.finding.id)
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, closing
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from orchestrator.client import question_scripts, run_scripts
from orchestrator.client.connection import ServiceAddress, ServiceLimits, failures_as_ours
from orchestrator.client.exchange import PlayedScript, ServiceNext, ServicePause, ServiceRequest, ServiceRows
from orchestrator.client.streams import AwaitedStream, WaitedStream, whole, whole_async
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.extras import needing
from orchestrator.kit.retrying import Patience

with needing("client", "asking a service"):
    import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
    from typing import Any, Self

    from orchestrator.client.exchange import RowScript, Script

_Given = ParamSpec("_Given")
T = TypeVar("T")


def _waited(
    script: Callable[_Given, Script[T]],
) -> Callable[Concatenate[ServiceClient, _Given], T]:
    """A script as a method that returns what it wants."""

    @wraps(script)
    def method(self: ServiceClient, /, *args: _Given.args, **kwargs: _Given.kwargs) -> T:
        played = PlayedScript(script(*args, **kwargs))
        with closing(self._stream()) as stream:
            while played.step is not None:
                self._do(played, stream)
        return played.value

    return _ours(method)


def _waited_rows(
    script: Callable[_Given, RowScript[T]],
) -> Callable[Concatenate[ServiceClient, _Given], Generator[T, None, None]]:
    """A script as a method that is iterated over."""

    @wraps(script)
    def method(self: ServiceClient, /, *args: _Given.args, **kwargs: _Given.kwargs) -> Generator[T, None, None]:
        played = PlayedScript(script(*args, **kwargs).steps)
        with closing(self._stream()) as stream:
            while played.step is not None:
                if isinstance(played.step, ServiceRows):
                    yield from played.step.values
                self._do(played, stream)

    return _ours(method)


def _awaited(
    script: Callable[_Given, Script[T]],
) -> Callable[Concatenate[AsyncServiceClient, _Given], Coroutine[Any, Any, T]]:
    """A script as a coroutine method."""

    @wraps(script)
    async def method(self: AsyncServiceClient, /, *args: _Given.args, **kwargs: _Given.kwargs) -> T:
        played = PlayedScript(script(*args, **kwargs))
        async with aclosing(self._stream()) as stream:
            while played.step is not None:
                await self._do(played, stream)
        return played.value

    return _ours(method)


def _awaited_rows(
    script: Callable[_Given, RowScript[T]],
) -> Callable[Concatenate[AsyncServiceClient, _Given], AsyncGenerator[T, None]]:
    """A script as an asynchronous generator."""

    @wraps(script)
    async def method(
        self: AsyncServiceClient, /, *args: _Given.args, **kwargs: _Given.kwargs
    ) -> AsyncGenerator[T, None]:
        played = PlayedScript(script(*args, **kwargs).steps)
        async with aclosing(self._stream()) as stream:
            while played.step is not None:
                if isinstance(played.step, ServiceRows):
                    for value in played.step.values:
                        yield value
                await self._do(played, stream)

    return _ours(method)


def _ours(method: Callable[_Given, T]) -> Callable[_Given, T]:
    """The method with the address at which it is, and not that of its script."""
    method.__module__ = __name__
    return method


class ServiceClient:
    """A running `scanmatrix serve`, asked by a program that waits for the answers; may be used by several threads.

    Args:
        url: of the service.
        token: of who asks; None for what `SCANMATRIX_TOKEN` has, empty for none.
        limits: what the client bears.
        transport: of httpx2, instead of the network.

    Raises:
        UsageError: it is no URL of a service.
        MissingExtraError: the extra `client` is not installed.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        limits: ServiceLimits | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.limits = limits or ServiceLimits()
        self._address = ServiceAddress(url, token)
        self._http = httpx2.Client(timeout=self.limits.timeouts(), transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _stream(self) -> WaitedStream:
        return WaitedStream(self._http, self._address, self.limits)

    def _do(self, played: PlayedScript[Any], stream: WaitedStream) -> None:
        """Do what a script wants."""
        step, data = played.step, b""
        try:
            if isinstance(step, ServicePause):
                time.sleep(step.seconds)
            elif isinstance(step, ServiceNext):
                data = stream.next(step.request)
            elif isinstance(step, ServiceRequest):
                data = Patience(self.limits.retries).retry(lambda: self._send(step))
        except ScanmatrixError as error:
            played.fail(error)
        else:
            played.answer(data)

    def _send(self, request: ServiceRequest) -> bytes:
        """One attempt."""
        with (
            failures_as_ours(request, self._address),
            self._http.stream(**self._address.spell(request, self.limits.page)) as answer,
        ):
            return whole(answer, request, self._address, self.limits)

    await_ledger = _waited(run_scripts.await_ledger)
    backlog = _waited(question_scripts.backlog)
    cancel = _waited(run_scripts.cancel)
    cells = _waited_rows(question_scripts.cells)
    compared = _waited(question_scripts.compared)
    coverage = _waited(question_scripts.coverage)
    findings = _waited_rows(question_scripts.findings)
    findings_now = _waited(question_scripts.findings_now)
    findings_of = _waited(question_scripts.findings_of)
    follow = _waited_rows(run_scripts.follow)
    highlights = _waited(question_scripts.highlights)
    holders_now = _waited(question_scripts.holders_now)
    known_targets = _waited_rows(question_scripts.known_targets)
    list_differences = _waited(question_scripts.list_differences)
    list_results = _waited(question_scripts.list_results)
    list_runs = _waited(run_scripts.list_runs)
    make_plan = _waited(run_scripts.make_plan)
    one_target = _waited(question_scripts.one_target)
    read_ledger = _waited(run_scripts.read_ledger)
    retry = _waited(run_scripts.retry)
    run = _waited(run_scripts.run)
    status = _waited(run_scripts.status)
    submit = _waited(run_scripts.submit)
    suppressions = _waited(question_scripts.suppressions)
    workloads = _waited_rows(question_scripts.workloads)


class AsyncServiceClient:
    """The same for asyncio: methods are awaited, those that give rows are iterated over with `async for`.

    Args:
        url: as for `ServiceClient`.
        token: as for `ServiceClient`.
        limits: as for `ServiceClient`.
        transport: as for `ServiceClient`.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        limits: ServiceLimits | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.limits = limits or ServiceLimits()
        self._address = ServiceAddress(url, token)
        self._http = httpx2.AsyncClient(timeout=self.limits.timeouts(), transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    def _stream(self) -> AwaitedStream:
        return AwaitedStream(self._http, self._address, self.limits)

    async def _do(self, played: PlayedScript[Any], stream: AwaitedStream) -> None:
        """Do what a script wants."""
        step, data = played.step, b""
        try:
            if isinstance(step, ServicePause):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, ServiceNext):
                data = await stream.next(step.request)
            elif isinstance(step, ServiceRequest):
                data = await Patience(self.limits.retries).retry_async(lambda: self._send(step))
        except ScanmatrixError as error:
            played.fail(error)
        else:
            played.answer(data)

    async def _send(self, request: ServiceRequest) -> bytes:
        """One attempt."""
        with failures_as_ours(request, self._address):
            async with self._http.stream(**self._address.spell(request, self.limits.page)) as answer:
                return await whole_async(answer, request, self._address, self.limits)

    await_ledger = _awaited(run_scripts.await_ledger)
    backlog = _awaited(question_scripts.backlog)
    cancel = _awaited(run_scripts.cancel)
    cells = _awaited_rows(question_scripts.cells)
    compared = _awaited(question_scripts.compared)
    coverage = _awaited(question_scripts.coverage)
    findings = _awaited_rows(question_scripts.findings)
    findings_now = _awaited(question_scripts.findings_now)
    findings_of = _awaited(question_scripts.findings_of)
    follow = _awaited_rows(run_scripts.follow)
    highlights = _awaited(question_scripts.highlights)
    holders_now = _awaited(question_scripts.holders_now)
    known_targets = _awaited_rows(question_scripts.known_targets)
    list_differences = _awaited(question_scripts.list_differences)
    list_results = _awaited(question_scripts.list_results)
    list_runs = _awaited(run_scripts.list_runs)
    make_plan = _awaited(run_scripts.make_plan)
    one_target = _awaited(question_scripts.one_target)
    read_ledger = _awaited(run_scripts.read_ledger)
    retry = _awaited(run_scripts.retry)
    run = _awaited(run_scripts.run)
    status = _awaited(run_scripts.status)
    submit = _awaited(run_scripts.submit)
    suppressions = _awaited(question_scripts.suppressions)
    workloads = _awaited_rows(question_scripts.workloads)
