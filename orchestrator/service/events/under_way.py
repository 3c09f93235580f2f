"""Accepted events whose runs or jobs are under way in this process: looked at one by one, and ended once."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.store.inbox.messages import Ending, InboxEntry, OutgoingEvent
    from orchestrator.store.inbox.store import InboxStore

_log = logging.getLogger(__name__)


class CarriedEvent(Protocol):
    """What is under way for an event."""

    @property
    def entry(self) -> InboxEntry:
        """The event."""

    @property
    def run(self) -> str:
        """Id of its run, or of its job."""


T = TypeVar("T", bound=CarriedEvent)


class EventsUnderWay(Generic[T]):
    """What this process has under way for accepted events.

    Args:
        inbox: where these are kept.
        what: is under way, for people: `run`.
        count: told of each event its sender and how it ended.
    """

    def __init__(self, inbox: InboxStore, what: str, *, count: Callable[[str, str, int], None]) -> None:
        self._inbox = inbox
        self._what = what
        self._count = count
        self._carried: dict[int, T] = {}

    def keep(self, carried: T) -> None:
        """It has begun, or is otherwise than it was."""
        self._carried[carried.entry.id] = carried

    def look(self, look_at: Callable[[T], None]) -> None:
        """Look at each; trouble with one is logged, and the others are looked at all the same."""
        for carried in tuple(self._carried.values()):
            name = f"{self._what} {carried.run}"
            try:
                with guarded(f"looking at {name}"):
                    look_at(carried)
            except (ScanmatrixError, OSError) as error:
                _log.warning("%s: %s", name, error, extra={"run": carried.run})

    def end(self, entry: InboxEntry, ending: Ending, told: Sequence[OutgoingEvent] = ()) -> None:
        """Write down how work on an event ended, for now or for good, together with what sinks are sent of it."""
        self._inbox.end(entry, ending, told)
        if ending.outcome is not None:
            self._count(entry.event.sender, ending.outcome, 1)
            self._carried.pop(entry.id, None)


@contextmanager
def ended_or_later(entry: InboxEntry) -> Iterator[None]:
    """Within it an event is ended; where that cannot be written down its lease runs out, and it is tried again."""
    try:
        yield
    except (ScanmatrixError, OSError) as trouble:
        _log.warning("the event of %s cannot be ended: %s", entry.event.subject, trouble)
