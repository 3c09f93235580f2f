"""Reading events from a cursor on, each exactly once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, select

from orchestrator.store.events.messages import BEGINNING, EventCursor, EventKind, EventPage, StoreEvent
from orchestrator.store.events.tables import event_counter, events

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

_COUNTER = select(event_counter).where(event_counter.c.id == 1)
_AFTER = (
    select(events)
    .where(events.c.id > bindparam("after"), events.c.id <= bindparam("until"))
    .order_by(events.c.id)
)  # fmt: skip


class _Told(msgspec.Struct):
    scans: dict[str, str] = msgspec.field(default_factory=dict)
    about: str = ""
    owners: tuple[str, ...] = ()
    called: dict[str, str] = msgspec.field(default_factory=dict)


def read_events(connection: Connection, after: EventCursor | None, most: int) -> EventPage:
    """What came after a place.

    Args:
        connection: whose statements all see the database as the first does.
        after: the place; None for the present end of the line.
        most: events.
    """
    counter = connection.execute(_COUNTER).one_or_none()
    if counter is None:
        return EventPage((), BEGINNING, resync=after not in {None, BEGINNING})
    if after == BEGINNING:
        after = EventCursor(counter.epoch, 0)
    end = EventCursor(counter.epoch, counter.last)
    if after is None or after == end:
        return EventPage((), end)
    if after.epoch != counter.epoch or not counter.first - 1 <= after.number <= counter.last:
        return EventPage((), end, resync=True)
    found: list[StoreEvent] = []
    rows = connection.execute(_AFTER, {"after": after.number, "until": after.number + most})
    for expected, row in enumerate(rows, after.number + 1):
        if row.id != expected:
            break  # what is missing ends later, though it was numbered earlier: it comes with the next reading
        found.append(_event(counter.epoch, row))
    return EventPage(tuple(found), EventCursor(counter.epoch, after.number + len(found)))


def _event(epoch: str, row: Row[Any]) -> StoreEvent:
    told = msgspec.json.decode(row.told, type=_Told)
    return StoreEvent(
        cursor=str(EventCursor(epoch, row.id)),
        at=datetime.fromtimestamp(row.at, UTC),
        kind=EventKind(row.kind),
        target=row.target,
        reference=row.reference,
        run=row.run,
        scans=told.scans,
        about=told.about,
        owners=told.owners,
        called=told.called,
    )
