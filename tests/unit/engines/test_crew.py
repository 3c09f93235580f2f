"""Threads that work on many things: bounded, and waited for however the wait is interrupted."""

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from orchestrator.engines.local import crew
from orchestrator.engines.local.crew import each
from orchestrator.engines.signals import interruptible


def never() -> None:
    pytest.fail("nobody interrupted it")


def test_every_item_once_and_never_more_than_the_limit() -> None:
    seen, running, most = [], [], []

    def work(item: int) -> None:
        running.append(item)
        most.append(len(running))
        time.sleep(0.001)
        running.remove(item)
        seen.append(item)

    each(range(50), work, limit=3, interrupt=never)
    assert sorted(seen) == list(range(50))
    assert max(most) <= 3


@pytest.mark.parametrize("number", [0, 1])
def test_fewer_items_than_threads(number: int) -> None:
    seen: list[int] = []
    each(range(number), seen.append, limit=8, interrupt=never)
    assert seen == list(range(number))


def test_an_error_lets_the_others_end_and_is_raised() -> None:
    begun, ended = threading.Event(), []

    def work(item: int) -> None:
        if item == 0:
            begun.wait()
            raise OSError("the disk is full")
        begun.set()
        time.sleep(0.1)
        ended.append(item)

    with pytest.raises(OSError, match="full"):
        each(range(100), work, limit=2, interrupt=never)
    assert ended == [1]


class Crew:
    """Work that continues until it is interrupted, and then takes a little to wind down."""

    def __init__(self, on_begin: Callable[[], None]) -> None:
        self.on_begin = on_begin
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.stop = threading.Event()

    def work(self, item: int) -> None:
        self.begun.append(item)
        self.on_begin()
        self.stop.wait()
        time.sleep(0.2)
        self.ended.append(item)


def test_a_signal_while_it_waits() -> None:
    crew_ = Crew(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), interruptible(crew_.stop.set):
        each(range(10), crew_.work, limit=2, interrupt=crew_.stop.set)
    assert crew_.begun
    assert sorted(crew_.ended) == sorted(crew_.begun)


def test_a_signal_that_does_not_wake_who_waits_ends_it_all_the_same() -> None:
    """It reaches another thread, or comes just before this one begins to wait."""
    crew_ = Crew(lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt), interruptible(crew_.stop.set):
        each(range(10), crew_.work, limit=2, interrupt=crew_.stop.set)
    assert sorted(crew_.ended) == sorted(crew_.begun)


def test_an_interrupt_while_a_thread_is_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = threading.Event()
    crew_ = Crew(begun.set)

    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            begun.wait()
            raise KeyboardInterrupt

    monkeypatch.setattr(crew.threading, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        each(range(10), crew_.work, limit=2, interrupt=crew_.stop.set)
    assert crew_.begun == crew_.ended == [0]


def test_a_thread_that_cannot_be_interrupted_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "PATIENCE", 0.2)
    release = threading.Event()

    def work(item: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        release.wait()

    try:
        with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):
            each(range(1), work, limit=1, interrupt=lambda: None)
    finally:
        release.set()


@pytest.mark.parametrize("allowed", [0, 2])
def test_where_the_system_allows_no_more_threads_those_there_are_do_it_all(
    allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    left = [None] * allowed

    class Scarce(threading.Thread):
        def start(self) -> None:
            if not left:
                raise RuntimeError("can't start new thread")
            left.pop()
            super().start()

    monkeypatch.setattr(crew.threading, "Thread", Scarce)
    each(range(20), seen.append, limit=8, interrupt=never)
    assert sorted(seen) == list(range(20))
