"""What sinks are still to be sent: written together with what it tells, and handed out once at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from orchestrator.store.brief import BriefStore, lapsed
from orchestrator.store.inbox.messages import OutgoingEvent
from orchestrator.store.inbox.tables import outgoing_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class OutgoingStore(BriefStore):
    """A store with the CloudEvents that wait to be sent."""

    def tell(self, told: Sequence[OutgoingEvent]) -> None:
        """Have sinks told of something that changes no entry."""
        self._transact(lambda connection: self._add(connection, told))

    def _add(self, connection: Connection, told: Sequence[OutgoingEvent]) -> None:
        now = self._clock(connection)
        rows = [
            {"sink": one.sink, "run": one.run, "type": one.type, "body": one.body, "at": now, "due_at": now}
            for one in told
        ]
        if rows:
            connection.execute(outgoing_events.insert(), rows)

    def take_outgoing(self, holder: str, sink: str, *, lease: int, most: int) -> list[OutgoingEvent]:
        """Begin to tell a sink what is due: of each run the oldest only.

        Args:
            holder: who does.
            sink: digest of its URL.
            lease: seconds until somebody else may tell it.
            most: as many as are posted at once, so that the lease of none runs out while it waits.
        """

        def begin(connection: Connection) -> list[OutgoingEvent]:
            now = self._clock(connection)
            free = lapsed(outgoing_events.c.until, now, lease)
            first = (
                select(func.min(outgoing_events.c.id))
                .where(outgoing_events.c.sink == sink)
                .group_by(outgoing_events.c.run)
                .scalar_subquery()
            )
            query = select(outgoing_events).where(
                outgoing_events.c.id.in_(first), outgoing_events.c.due_at <= now, free
            )
            taken = []
            for row in connection.execute(query.order_by(outgoing_events.c.id).limit(most)).all():
                same = (outgoing_events.c.id == row.id, outgoing_events.c.until == row.until)
                change = update(outgoing_events).where(*same).values(holder=holder, until=now + lease)
                if connection.execute(change).rowcount:
                    taken.append(OutgoingEvent(row.sink, row.run, row.type, row.body, row.id, row.attempts, row.at))
            return taken

        mine = select(outgoing_events.c.id).where(outgoing_events.c.sink == sink)
        some = self._finds(lambda now: mine.where(outgoing_events.c.due_at <= now))
        return self._transact(begin) if some else []

    def mark_sent(self, outgoing: OutgoingEvent) -> None:
        """It was sent, or will never be."""
        self._transact(
            lambda connection: connection.execute(delete(outgoing_events).where(outgoing_events.c.id == outgoing.id))
        )

    def send_later(self, outgoing: OutgoingEvent, wait: int) -> None:
        """Try it again after some seconds."""

        def later(connection: Connection) -> None:
            values = {"due_at": self._clock(connection) + wait, "attempts": outgoing_events.c.attempts + 1, "until": 0}
            connection.execute(update(outgoing_events).where(outgoing_events.c.id == outgoing.id).values(values))

        self._transact(later)

    def forget_unsent(self, seconds: int) -> int:
        """Forget what sinks were to be sent and is older than this, also for those configured no more; how many."""

        def forget(connection: Connection) -> int:
            old = outgoing_events.c.at < self._clock(connection) - seconds
            return connection.execute(delete(outgoing_events).where(old)).rowcount

        return self._transact(forget)
