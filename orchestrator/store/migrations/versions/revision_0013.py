"""What changed, one after the other, for those who follow it; and the targets of an owner, found by an index."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0013"
down_revision = "0012"

_OWNERS = "ix_names_owner_target_id"
_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}


def upgrade() -> None:
    """Add what a migration that was cut off has not added yet."""
    database = sa.inspect(op.get_bind())
    there = set(database.get_table_names())
    if "events" not in there:
        op.create_table(
            "events",
            sa.Column("id", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("kind", sa.String(16), nullable=False),
            sa.Column("target", sa.String(128), nullable=False),
            sa.Column("reference", sa.String(512), nullable=False),
            sa.Column("run", sa.String(128), nullable=False),
            sa.Column("told", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
            **_OPTIONS,
        )
    if "event_counter" not in there:
        op.create_table(
            "event_counter",
            sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("epoch", sa.String(16), nullable=False),
            sa.Column("last", sa.BigInteger(), nullable=False),
            sa.Column("first", sa.BigInteger(), nullable=False),
            sqlite_with_rowid=False,
            **_OPTIONS,
        )
    if _OWNERS not in {each["name"] for each in database.get_indexes("names")}:
        op.create_index(_OWNERS, "names", ["owner", "target_id"])
