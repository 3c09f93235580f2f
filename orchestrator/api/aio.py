"""The calls of `orchestrator.api.run` for asyncio: each runs in a thread, so that an event loop goes on meanwhile.

    async for status in aio.follow(config, run):
        print(status.counts())
    ledger = await aio.fetch(config, run)

A task that is cancelled stops waiting at once; what it asked for in the cluster goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from orchestrator.api import run as operations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from orchestrator.argo.status import RunStatus
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Plan

__all__ = ["cancel", "delete", "fetch", "follow", "list_runs", "logs", "retry", "run", "status", "submit"]

_Item = TypeVar("_Item")
_END = object()


async def run(plan: Plan, config: Config, *, observer: Observer | None = None) -> Ledger:
    """Run a plan to its end; see `orchestrator.api.run.run`. The observer is told in another thread."""
    return await asyncio.to_thread(operations.run, plan, config, observer=observer)


async def submit(plan: Plan, config: Config) -> str:
    """Start a run in the cluster; see `orchestrator.api.run.submit`."""
    return await asyncio.to_thread(operations.submit, plan, config)


def follow(config: Config, run_id: str) -> AsyncIterator[RunStatus]:
    """The status of a run now, and after every change; see `orchestrator.api.run.follow`."""
    return _in_thread(lambda: operations.follow(config, run_id))


async def status(config: Config, run_id: str) -> RunStatus:
    """How a run stands; see `orchestrator.api.run.status`."""
    return await asyncio.to_thread(operations.status, config, run_id)


async def list_runs(config: Config) -> tuple[RunStatus, ...]:
    """How every run stands; see `orchestrator.api.run.list_runs`."""
    return await asyncio.to_thread(operations.list_runs, config)


def logs(config: Config, run_id: str, target: str, scan: str) -> AsyncIterator[str]:
    """What the scanner of a cell wrote; see `orchestrator.api.run.logs`."""
    return _in_thread(lambda: operations.logs(config, run_id, target, scan))


async def retry(config: Config, run_id: str, *, observer: Observer | None = None) -> str:
    """Run again what failed; see `orchestrator.api.run.retry`."""
    return await asyncio.to_thread(operations.retry, config, run_id, observer=observer)


async def cancel(config: Config, run_id: str) -> tuple[str, ...]:
    """End a run now; see `orchestrator.api.run.cancel`."""
    return await asyncio.to_thread(operations.cancel, config, run_id)


async def delete(config: Config, run_id: str) -> tuple[str, ...]:
    """Take a run out of the cluster; see `orchestrator.api.run.delete`."""
    return await asyncio.to_thread(operations.delete, config, run_id)


async def fetch(config: Config, run_id: str) -> Ledger:
    """Bring the results of a run here; see `orchestrator.api.run.fetch`."""
    return await asyncio.to_thread(operations.fetch, config, run_id)


async def _in_thread(make: Callable[[], Iterator[_Item]]) -> AsyncIterator[_Item]:
    """The items of an iterator that waits for each, taken one by one in a thread."""
    items = await asyncio.to_thread(make)
    while (item := await asyncio.to_thread(next, items, _END)) is not _END:
        yield item  # type: ignore[misc]
