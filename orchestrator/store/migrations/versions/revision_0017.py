"""Events from outside, and what is sent about the runs that they started."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0017"
down_revision = "0016"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}


def upgrade() -> None:
    """Add what a migration that was cut off has not added yet."""
    database = sa.inspect(op.get_bind())
    there = set(database.get_table_names())
    if "inbox" not in there:
        op.create_table(
            "inbox",
            sa.Column("id", _ID, primary_key=True, autoincrement=True),
            sa.Column("event_key", sa.String(32), nullable=False),
            sa.Column("source", sa.String(512), nullable=False),
            sa.Column("event", sa.String(512), nullable=False),
            sa.Column("sender", sa.String(64), nullable=False),
            sa.Column("rule", sa.String(64), nullable=False),
            sa.Column("push", sa.Text(), nullable=False),
            sa.Column("scans", sa.Text(), nullable=False),
            sa.Column("about", sa.String(32), nullable=False),
            sa.Column("pushed", sa.String(32), nullable=False),
            *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("at", "since", "due_at")),
            sa.Column("state", sa.String(8), nullable=False),
            sa.Column("outcome", sa.String(16), nullable=False),
            sa.Column("reason", sa.Text(), nullable=False),
            sa.Column("run", sa.String(128), nullable=False),
            sa.Column("holder", sa.String(200), nullable=False),
            sa.Column("until", sa.BigInteger(), nullable=False),
            sa.Column("attempts", sa.Integer(), nullable=False),
            sa.UniqueConstraint("event_key", name="uq_inbox_event_key"),
            sqlite_autoincrement=True,
            **_OPTIONS,
        )
    if "outgoing_events" not in there:
        op.create_table(
            "outgoing_events",
            sa.Column("id", _ID, primary_key=True, autoincrement=True),
            sa.Column("sink", sa.String(32), nullable=False),
            sa.Column("run", sa.String(128), nullable=False),
            sa.Column("type", sa.String(128), nullable=False),
            sa.Column("body", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("due_at", sa.BigInteger(), nullable=False),
            sa.Column("attempts", sa.Integer(), nullable=False),
            sa.Column("holder", sa.String(200), nullable=False),
            sa.Column("until", sa.BigInteger(), nullable=False),
            sqlite_autoincrement=True,
            **_OPTIONS,
        )
    for table, columns in (
        ("inbox", ["state", "due_at"]),
        ("inbox", ["about", "state"]),
        ("inbox", ["pushed", "at"]),
        ("outgoing_events", ["sink", "run"]),
    ):
        name = f"ix_{table}_{'_'.join(columns)}"
        if name not in {each["name"] for each in sa.inspect(op.get_bind()).get_indexes(table)}:
            op.create_index(name, table, columns)
