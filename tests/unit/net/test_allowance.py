"""Budgets of reading registries, and what is remembered so that they last."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.images.registry.memory import Memory
from orchestrator.model import ReadBudget
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import Broken, OverBudget


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("what", "spent"), [("requests", "requests"), ("entries", "entries"), ("bytes", "size")])
def test_all_of_a_budget_may_be_used_and_no_more(what: str, spent: str) -> None:
    allowance = Allowance(ReadBudget(**{what: 3}), "limits.lookup")
    allowance.spend(**{spent: 2})
    allowance.spend(**{spent: 1})
    with pytest.raises(OverBudget, match=f"limits.lookup.{what}"):
        allowance.spend(**{spent: 1})


def test_time_runs_from_the_beginning() -> None:
    clock = Clock()
    allowance = Allowance(ReadBudget(seconds=10), "limits.lookup", clock=clock)
    clock.now += 9
    allowance.check()
    assert allowance.seconds_left() == 1
    clock.now += 1
    with pytest.raises(OverBudget, match=r"limits\.lookup\.time"):
        allowance.check()
    assert allowance.seconds_left() == 0


def test_what_a_part_costs_the_whole_costs_too() -> None:
    clock = Clock()
    whole = Allowance(ReadBudget(requests=5, seconds=10), "limits.planning", clock=clock)
    for _ in range(5):
        whole.part(ReadBudget(requests=1), "limits.lookup").spend(requests=1)
    with pytest.raises(OverBudget, match=r"limits\.planning\.requests"):
        whole.part(ReadBudget(requests=1), "limits.lookup").spend(requests=1)
    clock.now += 8
    assert whole.part(ReadBudget(seconds=60), "limits.lookup").seconds_left() == 2


def test_a_document_is_read_by_one_thread_for_all_that_want_it() -> None:
    memory, reads, go = Memory(), [], threading.Event()

    def read() -> bytes:
        reads.append(1)
        go.wait(60)
        return b"document"

    with ThreadPoolExecutor(8) as pool:
        wanted = [pool.submit(memory.get, "http://a/x", "sha256:1", read) for _ in range(8)]
        go.set()
        assert {each.result() for each in wanted} == {b"document"}
    assert len(reads) == 1
    assert memory.get("http://a/y", "sha256:1", lambda: b"another") == b"another"


def test_a_read_that_fails_is_another_thread_s_turn_and_a_slow_one_is_not_waited_for() -> None:
    memory, go = Memory(), threading.Event()

    def fail() -> bytes:
        raise Broken("x")

    with pytest.raises(Broken):
        memory.get("a", "b", fail)
    begun = threading.Event()

    def late() -> bytes:
        begun.set()
        go.wait(60)
        return b"late"

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(memory.get, "a", "b", late)
        begun.wait(60)
        with pytest.raises(Broken, match="no answer in time"):
            memory.get("a", "b", fail, patience=0.01)
        go.set()
        assert slow.result() == b"late"


def test_no_more_is_remembered_than_fits() -> None:
    memory = Memory(most_bytes=10)
    memory.put("a", "1", bytes(6))
    memory.put("a", "2", bytes(4))
    memory.get("a", "1", bytes)  # used, so the other one goes
    memory.put("a", "3", bytes(4))
    memory.put("a", "4", bytes(11))
    assert memory.get("a", "1", lambda: b"read again") == bytes(6)
    assert memory.get("a", "2", lambda: b"read") == b"read"
