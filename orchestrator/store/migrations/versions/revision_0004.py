"""By which image results were made, and which of them are suspect."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}


def upgrade() -> None:
    """Make them, but for what an earlier migration made that was cut off where statements cannot be undone."""
    inspector = sa.inspect(op.get_bind())
    _add(inspector, "cells", sa.Column("scanner_image", sa.String(512), nullable=False, server_default=""))
    _add(inspector, "states", sa.Column("scanner_image", sa.String(512), nullable=False, server_default=""))
    _add(inspector, "states", sa.Column("suspect_at", sa.BigInteger(), nullable=False, server_default="0"))
    _add(inspector, "states", sa.Column("suspect", sa.String(500), nullable=False, server_default=""))
    if "ix_states_suspect_at" not in {index["name"] for index in inspector.get_indexes("states")}:
        op.create_index("ix_states_suspect_at", "states", ["suspect_at"], unique=False)
    if "scanner_rules" not in inspector.get_table_names():
        op.create_table(
            "scanner_rules",
            sa.Column("name", sa.String(length=64), nullable=False),
            sa.Column("digest", sa.String(length=64), nullable=False),
            sa.PrimaryKeyConstraint("name", name="pk_scanner_rules"),
            **_OPTIONS,
            sqlite_with_rowid=False,
        )


def _add(inspector: sa.Inspector, table: str, column: sa.Column[Any]) -> None:
    if column.name not in {each["name"] for each in inspector.get_columns(table)}:
        op.add_column(table, column)
