"""What a store holds, as a short text that changes whenever an answer may be another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from orchestrator.store.events.tables import event_counter

if TYPE_CHECKING:
    from sqlalchemy import Connection


def revision_of(connection: Connection) -> str:
    """See `Store.revision`: everything that changes an answer is written together with an event."""
    row = connection.execute(select(event_counter.c.epoch, event_counter.c.last)).first()
    return f"{row.epoch}-{row.last}" if row else ""
