"""The tables of events: what changed, and the row that numbers it.

To write an event locks the row of `event_counter` until the transaction ends. So numbers are given in the order in
which transactions end, a transaction that is undone gives its numbers back, and there is no gap: a reader that stops
where the next number is missing can overlook nothing, whichever database it is and however many write.
"""

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from orchestrator.store.columns import KEYLESS, OPTIONS, metadata, number, words
from orchestrator.store.schema import LONGEST_NAME

events = Table(
    "events",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    number("at"),
    Column("kind", String(16), nullable=False),
    words("target", 128),
    words("reference", LONGEST_NAME),
    words("run", 128),
    # Scans with how they ended, and owners, as JSON.
    Column("told", Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
    **OPTIONS,
)

event_counter = Table(
    "event_counter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    # Of this database: cursors of another one, or of one that was built again, are not ours.
    Column("epoch", String(16), nullable=False),
    # Number of the newest event, and of the oldest that is kept.
    number("last"),
    number("first"),
    **KEYLESS,
)

__all__ = ["event_counter", "events"]
