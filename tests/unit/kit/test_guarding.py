"""What nobody foresaw becomes an error that borders know; what has a meaning of its own passes."""

import logging

import pytest

from orchestrator.errors import Cancelled, PermanentError, TemporaryError
from orchestrator.kit import guarding
from orchestrator.kit.guarding import InternalError, guarded, is_internal


def nest() -> None:
    nest()


UNFORESEEN = [
    MemoryError(), RecursionError("deep"), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), OverflowError("large"),
    ValueError("digits"), KeyError("layers"), TypeError(), AssertionError(), StopIteration(), ZeroDivisionError(),
]  # fmt: skip


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
def test_the_message_names_the_thing_and_the_kind_and_asks_for_a_report(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InternalError) as caught, guarded("looking up evil:1"):
        raise error
    message = str(caught.value)
    assert is_internal(message)
    assert "evil:1" in message
    assert type(error).__name__ in message
    assert "report" in message
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_a_real_recursion_is_caught() -> None:
    with pytest.raises(InternalError), guarded("reading"):
        nest()


@pytest.mark.parametrize(
    "error",
    [
        PermanentError("x"), TemporaryError("x"), Cancelled("x"), FileNotFoundError("x"), OSError(36, "name too long"),
        KeyboardInterrupt(), SystemExit(2), GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_means_something_passes(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(type(error)) as caught, guarded("x"):
        raise error
    assert caught.value is error
    assert not caplog.records


def test_the_message_fits_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding._log, "disabled", True)  # xdist cannot pass on a log with surrogates
    with pytest.raises(InternalError) as caught, guarded("x"):
        raise ValueError("\udcff" + "9" * 100_000)
    assert len(str(caught.value).encode()) < 500


def test_a_message_that_cannot_be_made_is_no_second_failure() -> None:
    class Hostile(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise ValueError

    with pytest.raises(InternalError, match="Hostile"), guarded("x"):
        raise Hostile


def test_a_guard_within_another_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InternalError, match="inner"), guarded("outer"), guarded("inner"):
        raise ValueError
    assert len(caplog.records) == 1


def test_no_secret_of_an_exception_is_reported() -> None:
    token = "ghp_" + "x" * 36
    with pytest.raises(InternalError) as caught, guarded("x"):
        raise ValueError(f"https://user:{token}@git.example/x")
    assert token not in str(caught.value)
