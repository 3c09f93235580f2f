"""How long something is tried."""

import threading
import time

import pytest

from orchestrator.errors import Cancelled
from orchestrator.kit.retrying import WAIT_LIMIT, Patience
from orchestrator.net.errors import Broken, Busy


def test_so_many_retries_and_no_more() -> None:
    patience = Patience(3, backoff=0)
    for _ in range(3):
        patience.pause(Broken("x"))
    with pytest.raises(Broken):
        patience.pause(Broken("x"))


def test_progress_starts_the_count_again() -> None:
    patience = Patience(1, backoff=0)
    for _ in range(5):
        patience.pause(Broken("x"))
        patience.progressed()


def test_the_other_side_s_wish_is_honoured() -> None:
    began = time.monotonic()
    Patience(1, backoff=60).pause(Busy("x", retry_after=0.2))
    assert 0.2 <= time.monotonic() - began < 10


def test_too_long_a_wish_is_passed_on_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(Busy) as error:
        Patience(5).pause(Busy("x", retry_after=WAIT_LIMIT + 1))
    assert error.value.retry_after == WAIT_LIMIT + 1
    assert time.monotonic() - began < 1


def test_a_wait_is_cut_short() -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        Patience(1, cancelled=stop).pause(Busy("x", retry_after=60))
    assert time.monotonic() - began < 10
