"""What ends a run before its time: signals, taken once, and its deadline."""

import os
import signal
import threading

import pytest

from orchestrator.engines.signals import interruptible
from orchestrator.engines.stop import INTERRUPTED, Stop


def nothing() -> None:
    pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_further_ones_do_nothing(number: signal.Signals) -> None:
    waited = []

    def wait_twice(stop: Stop) -> None:
        try:
            os.kill(os.getpid(), number)
            stop.wait(30)
        finally:
            os.kill(os.getpid(), number)
            waited.append(stop.wait(30))

    with Stop(60) as stop:
        with pytest.raises(KeyboardInterrupt), interruptible(stop.interrupt):
            wait_twice(stop)
        assert waited == [True]
        assert stop.interrupted
        assert stop.reason() == INTERRUPTED


def test_handlers_are_put_back_and_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        found = signal.getsignal(signal.SIGTERM)
        with interruptible(nothing):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not found
        assert signal.getsignal(signal.SIGTERM) is found
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_are_left_alone() -> None:
    found = signal.getsignal(signal.SIGTERM)
    seen = []

    def look() -> None:
        with interruptible(nothing):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [found]


def test_the_deadline_is_a_reason_to_stop_but_no_interrupt() -> None:
    with Stop(3600) as stop:
        assert stop.reason() == ""
    with Stop(0.05) as stop:
        assert stop.wait(10)
        assert "deadline" in stop.reason()
        assert not stop.interrupted
