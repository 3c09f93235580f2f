"""The replica that acts stops when it cannot renew its lease, whatever keeps it from that."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from orchestrator.cluster.errors import ForbiddenError, RejectedError, UnreachableError
from orchestrator.service.controller import leading

#: Of the lease; and in which it has stopped on a busy machine, too, long before a request that hangs ends.
SECONDS, SOON, LONG = 0.6, 4.0, 8.0


class Lease:
    """Ours at first; what a renewal does after that is up to the test."""

    def __init__(self, renewal: Callable[[], bool]) -> None:
        self.renewal = renewal
        self.seconds = SECONDS
        self.asked = 0
        self.gone = False

    def hold(self) -> bool:
        self.asked += 1
        return self.asked == 1 or self.renewal()

    def let_go(self) -> None:
        self.gone = True


def lead(monkeypatch: pytest.MonkeyPatch, lease: Lease, stop: threading.Event) -> float:
    """Lead until it ends; for how long it acted."""
    monkeypatch.setattr(leading, "Connection", lambda *_: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(leading, "Lease", lambda *_, **__: lease)
    begun = time.monotonic()

    def act(stopped: threading.Event) -> None:
        assert stopped.wait(SOON), "nobody stopped it"

    try:
        leading.lead("ns", "one", act, stop=stop, seconds=SECONDS, told=lambda _: None)
    finally:
        acted = time.monotonic() - begun
    return acted


def refuse(error: Exception) -> Callable[[], bool]:
    def renewal() -> bool:
        raise error

    return renewal


def hang() -> bool:
    time.sleep(LONG)
    return True


RENEWALS: dict[str, Callable[[], bool]] = {
    "the API server is away": refuse(UnreachableError("away")),
    "the right to it was taken away": refuse(ForbiddenError("no")),
    "it is refused": refuse(RejectedError("422")),
    "an answer that nobody foresaw": refuse(ValueError("not JSON")),
    "another one has it": lambda: False,
    "the API server does not answer": hang,
}


@pytest.mark.parametrize("name", RENEWALS)
def test_it_stops_when_it_cannot_show_that_it_has_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    lease = Lease(RENEWALS[name])
    with pytest.raises(leading.LeaseLostError):
        lead(monkeypatch, lease, threading.Event())
    assert not lease.gone


def test_it_acts_as_long_as_it_renews_and_lets_go_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lease, stop = Lease(lambda: True), threading.Event()
    lease.seconds = 10  # renewed every 2
    threading.Timer(2.5, stop.set).start()
    # Long enough for one renewal; the timer and the clock that is read here need not agree on the last moment.
    assert lead(monkeypatch, lease, stop) > 2
    assert lease.gone
    assert lease.asked >= 2
