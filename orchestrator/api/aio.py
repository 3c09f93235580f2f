"""The calls of `orchestrator.api.run` for asyncio, each in a thread, so that the event loop stays free meanwhile.

    async for status in aio.follow(config, run):
        print(status.counts())
    ledger = await aio.fetch(config, run)

Nothing is written twice: each call is derived from the one of the same name. A task that is cancelled stops waiting at
once; what it asked for continues. An observer is called from other threads.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from orchestrator.api import run as run_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Any

__all__ = ["cancel", "delete", "fetch", "follow", "list_runs", "logs", "retry", "run", "status", "submit"]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_END = object()


def _awaited(call: Callable[_Given, _Found]) -> Callable[_Given, Coroutine[Any, Any, _Found]]:
    """The call as a coroutine function."""

    @wraps(call)
    async def derived(*args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        return await asyncio.to_thread(call, *args, **kwargs)

    return derived


def _streamed(call: Callable[_Given, Iterator[_Found]]) -> Callable[_Given, AsyncIterator[_Found]]:
    """The call as an asynchronous generator: each item is waited for in a thread."""

    @wraps(call)
    async def derived(*args: _Given.args, **kwargs: _Given.kwargs) -> AsyncIterator[_Found]:
        items = await asyncio.to_thread(call, *args, **kwargs)
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield item  # type: ignore[misc]

    return derived


cancel = _awaited(run_api.cancel)
delete = _awaited(run_api.delete)
fetch = _awaited(run_api.fetch)
follow = _streamed(run_api.follow)
list_runs = _awaited(run_api.list_runs)
logs = _streamed(run_api.logs)
retry = _awaited(run_api.retry)
run = _awaited(run_api.run)
status = _awaited(run_api.status)
submit = _awaited(run_api.submit)
