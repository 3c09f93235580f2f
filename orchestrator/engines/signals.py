"""Ctrl-C, `kill` and a closed terminal all end a run in the same way: once, and with time to wind down."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """Within the block, the first of these signals calls `interrupt` and raises `KeyboardInterrupt`; others do nothing.

    An impatient second Ctrl-C would leave scanners behind, and winding down takes seconds at most.
    """
    seen = False

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        nonlocal seen
        if not seen:
            seen = True
            interrupt()
            raise KeyboardInterrupt

    with heeding(handle):
        yield


@contextmanager
def heeding(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Within the block, these signals are handled so.

    A signal that the process was started to ignore (`nohup`) stays ignored. Outside the main thread nothing changes:
    signals are not delivered there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    wanted = [number for number, handler in before.items() if handler not in {signal.SIG_IGN, None}]
    for number in wanted:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in wanted:
            signal.signal(number, before[number])
