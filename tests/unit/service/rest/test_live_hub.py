"""The one reader of events: much at once, those who read slowly, and those who do not read."""

import threading
from datetime import UTC, datetime

import anyio
import pytest

from orchestrator.service.rest.live import hub
from orchestrator.service.rest.live.hub import LiveEvents
from orchestrator.store.events.messages import EventCursor, EventKind, EventPage, StoreEvent

COUNT = 2000
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _read(after, most):
    begin = after.number if after else 0
    numbers = range(begin + 1, min(begin + most, COUNT) + 1)
    found = tuple(StoreEvent(f"ab-{number}", _NOW, EventKind.STORE) for number in numbers)
    return EventPage(found, EventCursor("ab", begin + len(found)))


async def _follow(pause: float) -> tuple[list[int], str, str]:
    """What one who reads one event each `pause` seconds gets, why that ends, and how one ends who does not read."""
    stopping = threading.Event()
    live = LiveEvents(_read, lambda: True, stopping)
    live.cursor = EventCursor("ab", 0)
    reading, lazy, found = live.follow(None), live.follow(None), []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(live.run)
        while not reading.ended and len(found) < COUNT:
            frame = await reading.next(1.0)
            if frame is not None:
                found.append(frame.number)
                await anyio.sleep(pause)
        ended = reading.ended
        stopping.set()
    return found, ended, lazy.ended


def test_who_reads_is_not_dropped_however_much_comes_at_once_and_who_does_not_is(monkeypatch):
    monkeypatch.setattr(hub, "DRAIN_SECONDS", 2.0)
    assert anyio.run(_follow, 0) == (list(range(1, COUNT + 1)), "", "slow")


def test_who_reads_too_slowly_is_dropped(monkeypatch):
    monkeypatch.setattr(hub, "DRAIN_SECONDS", 0.0)
    found, ended, _ = anyio.run(_follow, 0.01)
    assert ended == "slow"
    assert found == list(range(1, len(found) + 1))
    assert len(found) < COUNT


@pytest.mark.parametrize("owners", [frozenset({"a"}), frozenset(), None])
def test_who_may_see_what(owners):
    def told(**changes):
        return hub.Frame(1, StoreEvent("ab-1", _NOW, **changes)).seen_by(owners) is not None

    assert told(kind=EventKind.STORE)
    assert told(kind=EventKind.RUN) == (owners is None)
    assert told(kind=EventKind.CELLS, owners=("a", "b")) == (owners is None or "a" in owners)
    assert told(kind=EventKind.DELETED, owners=("b",)) == (owners is None)
    assert told(kind=EventKind.CELLS) == (owners is None)


def test_who_shares_a_target_hears_of_it_by_a_name_of_their_own():
    names = {"b": "registry.example/of-b"}
    event = StoreEvent(
        "ab-1", _NOW, EventKind.DELETED, reference="registry.example/of-a", owners=("a", "b"), called=names
    )
    frame = hub.Frame(1, event)
    for owners, own in ((None, "of-a"), ({"a"}, "of-a"), ({"b"}, "of-b"), ({"a", "b"}, "of-a")):
        seen = frame.seen_by(owners and frozenset(owners))
        assert seen.image_id == f'"registry.example/{own}"'
        assert f"registry.example/{own}" in seen.structured
    assert "of-a" not in frame.seen_by(frozenset({"b"})).sse.decode()
    assert "of-b" not in frame.seen_by(frozenset({"a"})).sse.decode()
