"""Attempts: repeated, side by side, and over when the time is."""

import threading
import time

import pytest

from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.notifications.attempts import run_all
from orchestrator.notifications.interface import Pace

FAST = Pace(all=5, each=5, retries=3, backoff=0.001)


def results(*sends, pace=FAST):
    return dict(run_all(sends, pace))


def failing(*errors):
    left = list(errors)

    def send(until):
        if left:
            raise left.pop(0)

    return send


def test_what_is_temporary_is_tried_again_and_what_is_not_is_not():
    found = results(
        failing(),
        failing(TemporaryError("busy"), TemporaryError("busy")),
        failing(*[TemporaryError("busy")] * 9),
        failing(PermanentError("no"), PermanentError("no")),
        failing(RuntimeError("token-1234")),
    )
    assert [(found[n].error, found[n].attempts) for n in range(4)] == [("", 1), ("", 3), ("busy", 4), ("no", 1)]
    assert found[4].attempts == 1
    assert "RuntimeError" in found[4].error
    assert "token-1234" not in found[4].error


def test_the_wish_to_wait_is_respected_if_there_is_time():
    begun = time.monotonic()
    found = results(failing(TemporaryError("busy", retry_after=0.2)), failing(TemporaryError("busy", retry_after=3600)))
    assert found[0].error == ""
    assert 0.2 <= time.monotonic() - begun < 30
    assert "3600" in found[1].error
    assert found[1].attempts == 1


def test_one_that_hangs_until_its_time_is_over_keeps_nobody_waiting():
    def hang(until):
        time.sleep(max(0, until - time.monotonic()))
        raise TemporaryError("no answer")

    begun = time.monotonic()
    found = results(hang, *[failing()] * 20, pace=Pace(all=5, each=0.3, retries=9, width=2))
    assert time.monotonic() - begun < 30
    assert "0.3 s" in found[0].error
    assert "no answer" in found[0].error
    assert found[0].attempts == 1
    assert [found[n].error for n in range(1, 21)] == [""] * 20


def test_one_that_does_not_end_is_left_behind():
    release = threading.Event()
    begun = time.monotonic()
    found = results(lambda until: release.wait(300), failing(), pace=Pace(all=5, each=0.1, width=1))
    assert time.monotonic() - begun < 30
    assert found[0].error
    assert found[1].error == ""
    release.set()


def test_all_together_have_an_end():
    def slow(until):
        time.sleep(max(0, until - time.monotonic()))
        raise TemporaryError("no answer")

    begun = time.monotonic()
    found = results(*[slow] * 50, pace=Pace(all=0.4, each=0.3, width=4))
    assert time.monotonic() - begun < 30
    assert len(found) == 50
    assert all(result.error for result in found.values())
    assert sum(result.attempts == 0 for result in found.values()) >= 40


@pytest.mark.parametrize("number", [0, 1, 30])
def test_each_has_one_result(number):
    assert sorted(results(*[failing()] * number)) == list(range(number))
