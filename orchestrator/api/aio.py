"""The calls of `orchestrator.api.run` for asyncio, each in a thread of its own, so that the event loop stays free.

    async for status in aio.follow(config, run):
        print(status.counts())
    ledger = await aio.fetch(config, run)

Nothing is written twice: each call is derived from the one of the same name. Any number of them may wait at the same
time. A task that is cancelled stops waiting: what a cluster does continues, a run of this process is interrupted first,
so that the same call resumes it. An observer is called from other threads.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from orchestrator import engines
from orchestrator.api import run as run_api

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
    from typing import Any

    from orchestrator.engines.interface import Engine

__all__ = ["await_end", "cancel", "delete", "fetch", "follow", "list_runs", "logs", "retry", "run", "status", "submit"]

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_END = object()
#: Seconds that an interrupted run has to end its scanners and write down how far it was.
_PATIENCE = 10


async def _in_thread(call: Callable[[], _Found]) -> _Found:
    """What a call returns or raises, made in a thread that neither other calls nor the end of the process wait for.

    `asyncio.to_thread` has a handful of threads for everything: a few runs that are followed would keep all other calls
    waiting, and the process would not end before they have.
    """
    future: Future[_Found] = Future()
    future.set_running_or_notify_cancel()  # so that a task that is cancelled does not cancel what the thread sets
    made: list[Engine] = []
    cancelled = threading.Event()

    def work() -> None:
        engines.NOTE_LOCAL.set(note)
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where the call is awaited
            future.set_exception(error)

    def note(engine: Engine) -> None:
        made.append(engine)
        if cancelled.is_set():
            engine.interrupt()

    threading.Thread(target=copy_context().run, args=(work,), name="scanmatrix.aio", daemon=True).start()
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        cancelled.set()
        for engine in tuple(made):
            engine.interrupt()
        if made:
            await _ended(future)
        raise


async def _ended(future: Future[Any]) -> None:
    """Wait until an interrupted call has ended, if that does not take long; so its run can be resumed at once."""
    again = asyncio.wrap_future(future)
    again.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else asks for it
    await asyncio.wait([again], timeout=_PATIENCE)


def _awaited(call: Callable[_Given, _Found]) -> Callable[_Given, Coroutine[Any, Any, _Found]]:
    """The call as a coroutine function."""

    @wraps(call)
    async def derived(*args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        return await _in_thread(partial(call, *args, **kwargs))

    return _ours(derived)


def _streamed(call: Callable[_Given, Iterator[_Found]]) -> Callable[_Given, AsyncGenerator[_Found, None]]:
    """The call as an asynchronous generator: each item is waited for in a thread."""

    @wraps(call)
    async def derived(*args: _Given.args, **kwargs: _Given.kwargs) -> AsyncGenerator[_Found, None]:
        items = await _in_thread(partial(call, *args, **kwargs))
        try:
            while (item := await _in_thread(partial(next, items, _END))) is not _END:
                yield item
        finally:
            with suppress(AttributeError, ValueError):  # no generator; or a thread still waits for its next item
                items.close()  # type: ignore[attr-defined]

    return _ours(derived)


def _ours(derived: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """The function with the address at which it is, and not that of what it was derived from."""
    derived.__module__ = __name__
    return derived


await_end = _awaited(run_api.await_end)
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
