"""A Lease: who acts, when a holder is silent, and what happens when several want it at the same moment."""

import json
from typing import Any

from orchestrator.cluster.errors import ConflictError, ObjectExistsError, ObjectNotFoundError
from orchestrator.cluster.lease import Lease


class Leases:
    """Keeps one Lease as an API server does: a write names the version that it saw."""

    def __init__(self) -> None:
        self.there: dict[str, Any] | None = None
        self.version = 0
        self.before_write = lambda: None

    def whole(self, method: str, path: str, *, body: Any = None, **_: Any) -> bytes:
        if method == "GET":
            if self.there is None:
                raise ObjectNotFoundError(path)
            return json.dumps(self.there).encode()
        before, self.before_write = self.before_write, lambda: None
        before()
        if method == "POST" and self.there is not None:
            raise ObjectExistsError(path)
        if method == "PUT" and (self.there or {}).get("metadata") != body["metadata"]:
            raise ConflictError(path)
        self.version += 1
        self.there = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        return b"{}"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lease(server: Leases, holder: str, clock: Clock) -> Lease:
    return Lease(server, "ns", "one", holder, seconds=15, clock=clock)  # type: ignore[arg-type]


def test_one_holds_it_and_keeps_it_by_showing_so() -> None:
    server, clock = Leases(), Clock()
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    assert first.hold()
    for _ in range(10):
        assert not second.hold()
        clock.now += 10
        assert first.hold()


def test_a_silent_holder_loses_it_after_its_time_and_not_before() -> None:
    server, clock = Leases(), Clock()
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    assert first.hold()
    clock.now = 1000.0  # how long it was silent before we looked, nobody knows
    assert not second.hold()
    clock.now += 14.9
    assert not second.hold()
    clock.now += 0.2
    assert second.hold()
    assert server.there is not None
    assert server.there["spec"]["leaseTransitions"] == 1
    assert not first.hold()


def test_one_that_was_let_go_is_taken_at_once() -> None:
    server, clock = Leases(), Clock()
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    assert first.hold()
    assert not second.hold()
    first.let_go()
    assert second.hold()
    first.let_go()  # it is not its own any more
    assert second.hold()


def test_of_several_at_the_same_moment_one_gets_it() -> None:
    server, clock = Leases(), Clock()
    first, second = lease(server, "a", clock), lease(server, "b", clock)
    server.before_write = lambda: first.hold() and None
    assert not second.hold()
    assert first.hold()
    clock.now = 100.0
    second.hold()
    third = lease(server, "c", clock)
    third.hold()
    clock.now = 200.0
    server.before_write = lambda: third.hold() and None
    assert not second.hold()
    assert third.hold()
