"""Measurements in a process of their own, so that its peak memory is theirs."""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

T = TypeVar("T")


def apart(measure: Callable[..., T], *arguments: object) -> T:
    """What a function of a module returns, called in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(measure, arguments, sender))
    process.start()
    sender.close()  # ours: one that breaks is then the end of what is received
    measured: T = receiver.recv()
    process.join()
    return measured


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    # Linux counts the memory of what started a process into its `ru_maxrss`: within a test, that is pytest's.
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _send(measure: Callable[..., object], arguments: tuple[object, ...], sender: Connection) -> None:
    sender.send(measure(*arguments))
