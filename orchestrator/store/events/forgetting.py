"""Throwing away old events, by age and number: the oldest first, so that what is kept has no gap."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from orchestrator.store.events.tables import event_counter, events

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: How long events are kept, in seconds, and how many at most: a day of sleep, and a first import of everything.
KEPT_SECONDS, KEPT_NUMBER = 7 * 86_400, 200_000
_AT_ONCE = 5000


def forget_events(connection: Connection, *, seconds: int = KEPT_SECONDS, number: int = KEPT_NUMBER) -> int:
    """Delete what is older, or more.

    Args:
        connection: outside of a transaction.
        seconds: how old the oldest may be.
        number: how many may be left.

    Returns:
        How many are gone.
    """
    with connection.begin():
        counter = connection.execute(select(event_counter.c.first, event_counter.c.last)).one_or_none()
        if counter is None or counter.first > counter.last:
            return 0
        fresh = events.c.at >= int(time.time()) - seconds
        # By the key, so that reading ends at the first one.
        youngest = connection.scalar(select(events.c.id).where(fresh).order_by(events.c.id).limit(1))
    keep = max(counter.last - number + 1, counter.last + 1 if youngest is None else youngest)
    gone = 0
    for begin in range(counter.first + _AT_ONCE, keep + _AT_ONCE, _AT_ONCE):
        gone += _forget_before(connection, min(begin, keep))
    return gone


def _forget_before(connection: Connection, first: int) -> int:
    with connection.begin():
        # The row that numbers events is locked first here, too: nobody writes meanwhile, and no reader sees one without
        # the other.
        newer = update(event_counter).where(event_counter.c.id == 1, event_counter.c.first < first)
        if not connection.execute(newer.values(first=first)).rowcount:
            return 0
        return connection.execute(delete(events).where(events.c.id < first)).rowcount
