"""When a resource is looked at again: at a change that somebody else has made, and hardly ever without one."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.service.controller import operator
from orchestrator.service.controller.operator import KopfOperator
from orchestrator.service.controller.vitals import Vitals


class Reconciler:
    """Has written what it says."""

    def __init__(self, *versions: str, pause: float = 3600.0) -> None:
        self.versions, self.pause, self.looks = set(versions), pause, 0

    def look(self, *_: str) -> float:
        self.looks += 1
        return self.pause

    def wrote(self, _: str, version: str) -> bool:
        return version in self.versions


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_GATHER", 0.01)


def looks(reconciler: Reconciler, happens: Callable[[KopfOperator], None], until: int, seconds: float = 5.0) -> int:
    """How often a resource was looked at when that many looks, or that much time, have gone by."""
    found = KopfOperator(reconciler)  # type: ignore[arg-type]

    async def play() -> None:
        given = {"namespace": "team", "name": "main", "uid": "u", "stopped": False}
        task = asyncio.create_task(found._keep(**given))
        end = time.monotonic() + seconds
        while reconciler.looks < 1:
            await asyncio.sleep(0.005)
        happens(found)
        while reconciler.looks < until and time.monotonic() < end:
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not found._bells

    asyncio.run(play())
    return reconciler.looks


def test_what_we_wrote_ourselves_is_no_reason_to_look_again() -> None:
    assert looks(Reconciler("7", "8"), lambda found: [found._stir("team", each) for each in ("7", "8")], 2, 0.2) == 1  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    "happens",
    [
        lambda found: found._stir("team", "9"),
        lambda found: (found._stir("team", "7"), found._stir("team", "9")),
        lambda found: found._stir("", ""),  # a watch broke off: anything may have happened
        lambda found: found._stir("team", ""),
    ],
)
def test_what_somebody_else_did_is(happens: Callable[[Any], None]) -> None:
    assert looks(Reconciler("7"), happens, 2) == 2


def test_another_namespace_is_none() -> None:
    assert looks(Reconciler(), lambda found: found._stir("other", "9"), 2, 0.2) == 1


def test_nothing_is_asked_for_an_hour_unless_changes_are_not_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "_LONGEST", 0.05)
    assert looks(Reconciler(), lambda _: None, 2, 0.3) == 1
    assert looks(Reconciler(), lambda found: (found._deaf.add("/roles"), found._stir("team", "")), 4) == 4  # type: ignore[func-returns-value]


def test_of_a_resource_only_the_metadata_is_kept() -> None:
    """kopf keeps what it was sent; a thousand resources with long files would be a gigabyte."""
    metadata = {"name": "main", "namespace": "team", "uid": "u", "generation": 1, "managedFields": [{}]}
    event = {"type": "ADDED", "object": {"metadata": metadata, "spec": {"files": {"a": "x"}}, "status": {}}}
    found = KopfOperator(Reconciler())  # type: ignore[arg-type]
    asyncio.run(found._changed(event=event, uid="u", meta=metadata, namespace="team"))
    assert event["object"] == {"metadata": {"name": "main", "namespace": "team", "uid": "u", "generation": 1}}


@pytest.mark.parametrize(
    ("follows", "deaf", "ready"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_without_a_lease_it_is_ready_while_it_hears_of_changes(follows: bool, deaf: bool, ready: bool) -> None:
    vitals = Vitals()
    found = KopfOperator(Reconciler(), vitals=vitals, alone=True)  # type: ignore[arg-type]
    found._follows = follows
    found._deaf = {"team/pods"} if deaf else set()

    async def turn() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(found._turn(), 0.01)

    asyncio.run(turn())
    assert (vitals.is_alive, vitals.is_ready) == (True, ready)
