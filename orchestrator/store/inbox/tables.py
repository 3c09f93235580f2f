"""The tables of events from outside: `inbox`, what was accepted, and `outgoing_events`, what sinks are to be sent.

An accepted event is a row, and stays one for as long as it is remembered: its `event_key` is unique, so the same event
is never accepted twice. `about` stands for what was pushed without what changes from push to push, `pushed` for exactly
what it turned out to be.
"""

from sqlalchemy import Column, Index, Integer, String, Table, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from orchestrator.store.columns import OPTIONS, id_column, metadata, number, words
from orchestrator.store.schema import LONGEST_NAME

inbox = Table(
    "inbox",
    metadata,
    id_column(),
    Column("event_key", String(32), nullable=False, unique=True),
    words("source", LONGEST_NAME),
    words("event", LONGEST_NAME),
    words("sender", 64),
    words("rule", 64),
    # `Push` as JSON, empty for what may start jobs, and the scans of its rule.
    Column("push", Text, nullable=False),
    Column("scans", Text, nullable=False),
    # The event as structured JSON, where it may start jobs.
    Column("whole", Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=True),
    Column("about", String(32), nullable=False),
    words("pushed", 32),
    number("at"),
    # When the first push was received that this one took the place of.
    number("since"),
    number("due_at"),
    Column("state", String(8), nullable=False),
    words("outcome", 16),
    words("reason"),
    words("run", 128),
    Column("holder", String(200), nullable=False, default=""),
    number("until"),
    Column("attempts", Integer, nullable=False, default=0),
    # What is waiting, and under way; the latest push to a tag; what is the same as before; what is forgotten.
    Index("ix_inbox_state_due_at", "state", "due_at"),
    Index("ix_inbox_about_state", "about", "state"),
    Index("ix_inbox_pushed_at", "pushed", "at"),
    sqlite_autoincrement=True,
    **OPTIONS,
)

outgoing_events = Table(
    "outgoing_events",
    metadata,
    id_column(),
    # Digest of the sink's URL, which is a secret.
    Column("sink", String(32), nullable=False),
    Column("run", String(128), nullable=False),
    words("type", 128),
    Column("body", Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
    number("at"),
    number("due_at"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("holder", String(200), nullable=False, default=""),
    number("until"),
    # One after the other for each run and sink.
    Index("ix_outgoing_events_sink_run", "sink", "run"),
    sqlite_autoincrement=True,
    **OPTIONS,
)

__all__ = ["inbox", "outgoing_events"]
