"""How often Python looks for garbage in cycles: nearly all of ours is freed when its last reference goes."""

from __future__ import annotations

import ctypes
import gc
import threading
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SELDOM = (2_000_000, 50, 50)
_SERVING = (50_000, 20, 20)


class _Sparing:
    """Thresholds that hold for the whole process while anybody is within; the last one out puts the old ones back."""

    def __init__(self, threshold: tuple[int, int, int]) -> None:
        self._threshold = threshold
        self._lock = threading.Lock()
        self._within = 0
        self._before = threshold

    def begin(self) -> None:
        with self._lock:
            self._within += 1
            if self._within == 1:
                self._before = gc.get_threshold()
                gc.freeze()
                gc.set_threshold(*self._threshold)

    def end(self) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                gc.set_threshold(*self._before)
                gc.unfreeze()


_seldom, _serving = _Sparing(_SELDOM), _Sparing(_SERVING)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage in cycles hardly ever meanwhile, in any thread.

    Findings and what is made of them hold no cycles and are freed when the last of their target is gone; looking for
    some among hundreds of thousands of them took a third of the time. What was there before is not looked at again.
    """
    _seldom.begin()
    try:
        yield
    finally:
        _seldom.end()


@contextmanager
def collected_as_served() -> Iterator[None]:
    """Look for it seldom in a process that answers requests, but so often that cycles never take much room.

    What was there before, such as all modules, is not looked at again: no request waits for that.
    """
    _serving.begin()
    try:
        yield
    finally:
        _serving.end()


def give_back() -> None:
    """Free what is garbage by now, and give the system what is free between what is used: for what runs on for days.

    It takes some milliseconds. Without it the statements of SQLAlchemy, which are cycles, and the gaps that the C
    library leaves between pieces of many sizes (half of what it has) grew from hour to hour.
    """
    gc.collect()
    if (trim := _trimming()) is not None:
        trim(0)


@cache
def _trimming() -> Callable[[int], object] | None:
    """`malloc_trim` of glibc; None where there is another C library."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
