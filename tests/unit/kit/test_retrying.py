"""How often and how long something is attempted."""

import threading
import time

import pytest

from orchestrator.errors import Cancelled, PermanentError, TemporaryError, may_help_again
from orchestrator.kit.retrying import WAIT_LIMIT, Backoff, Patience
from orchestrator.net.errors import Broken, Busy, TooSlow


class Failing:
    """Raises these errors in turn, the last one forever."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.attempts = 0

    def __call__(self) -> str:
        self.attempts += 1
        error = self._errors.pop(0) if len(self._errors) > 1 else self._errors[0]
        raise error


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_this_many_retries_and_no_more(retries: int) -> None:
    failing = Failing(Broken("x"))
    with pytest.raises(Broken) as caught:
        Patience(retries, backoff=0).retry(failing)
    assert failing.attempts == retries + 1
    assert not caught.value.is_worth_retrying


def test_another_attempt_may_help_where_some_are_left() -> None:
    given_up = Broken("x")
    given_up.given_up = True
    caused = TemporaryError("y")
    caused.__cause__ = given_up
    assert [may_help_again(each) for each in (Broken("x"), given_up, caused, PermanentError("x"), OSError())] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_what_succeeds_is_returned_and_what_cannot_be_fixed_is_not_repeated() -> None:
    assert Patience(4).retry(lambda: "found") == "found"
    failing = Failing(PermanentError("x"))
    with pytest.raises(PermanentError):
        Patience(4, backoff=0).retry(failing)
    assert failing.attempts == 1


def test_attempts_are_not_multiplied_by_those_around_them() -> None:
    failing = Failing(Broken("x"))

    def inner() -> None:
        try:
            Patience(2, backoff=0).retry(failing)
        except Broken as error:
            raise TemporaryError("spoken of otherwise") from error

    with pytest.raises(TemporaryError, match="otherwise"):
        Patience(4, backoff=0).retry(inner)
    assert failing.attempts == 3


def test_several_calls_have_the_same_retries() -> None:
    patience = Patience(3, backoff=0)
    with pytest.raises(PermanentError):
        patience.retry(Failing(Broken("x"), Broken("x"), PermanentError("y")))
    failing = Failing(Broken("x"))
    with pytest.raises(Broken):
        patience.retry(failing)
    assert failing.attempts == 2


def test_a_failure_may_be_worth_fewer() -> None:
    failing = Failing(Broken("x"), TooSlow("x"), TooSlow("x"), Broken("x"))
    with pytest.raises(TooSlow):
        Patience(9, backoff=0).retry(failing)
    assert failing.attempts == 3


def test_progress_starts_the_count_again() -> None:
    patience = Patience(1, backoff=0)
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        if len(attempts) < 6:
            patience.progressed()
        raise Broken("x")

    with pytest.raises(Broken):
        patience.retry(attempt)
    assert len(attempts) == 6


def test_the_other_side_s_wish_is_honoured() -> None:
    began = time.monotonic()
    with pytest.raises(PermanentError):
        Patience(1, backoff=60).retry(Failing(Busy("x", retry_after=0.2), PermanentError("y")))
    assert 0.2 <= time.monotonic() - began < 30


def test_too_long_a_wish_is_passed_on_at_once() -> None:
    began = time.monotonic()
    for patience, wish in ((Patience(5), WAIT_LIMIT + 1), (Patience(5, left=lambda: 30), 60.0)):
        with pytest.raises(Busy) as error:
            patience.retry(Failing(Busy("x", retry_after=wish)))
        assert error.value.retry_after == wish
        assert f"{wish:.0f} s" in str(error.value)  # or nobody sees why there was but one attempt
        assert not error.value.is_worth_retrying
    assert time.monotonic() - began < 30


def test_at_once_and_without_end_is_not_taken_at_its_word() -> None:
    end = time.monotonic() + 0.2
    failing = Failing(Busy("x", retry_after=0))
    with pytest.raises(Busy):
        Patience(None, backoff=Backoff(0.05, 0.05), left=lambda: end - time.monotonic()).retry(failing)
    assert failing.attempts <= 7


@pytest.mark.parametrize("wish", [None, 0])
def test_without_any_time_left_no_wish_is_to_blame(wish: float | None) -> None:
    with pytest.raises(Busy, match=r"^x$"):
        Patience(None, left=lambda: -1).retry(Failing(Busy("x", retry_after=wish)))


def test_a_long_pause_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    for wish, said in ((0.01, []), (15.0, ["x; trying again in 15.0 s"])):
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(Cancelled):
            Patience(1000, cancelled=stop).retry(Failing(Busy("x", retry_after=wish)))
        stop.clear()
        assert caplog.messages == said


def test_a_wait_is_cut_short() -> None:
    stop = threading.Event()
    began = time.monotonic()
    failing = Failing(Busy("x", retry_after=60))

    def attempt() -> str:
        threading.Timer(0.1, stop.set).start()  # while it waits for the next one
        return failing()

    with pytest.raises(Cancelled):
        Patience(1, cancelled=stop).retry(attempt)
    assert time.monotonic() - began < 30
    assert failing.attempts == 1


def test_without_a_number_the_time_decides_and_the_caller_may_continue() -> None:
    failing = Failing(Broken("x"))
    with pytest.raises(Broken) as caught:
        Patience(None, backoff=Backoff(0.001, 0.002), left=lambda: 0.1 * (8 - failing.attempts)).retry(failing)
    assert failing.attempts == 8
    assert caught.value.is_worth_retrying
