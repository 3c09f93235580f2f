"""What was asked of a cell, so that a result of another question is not taken for fresh."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_INDEX = "ix_states_scan_asked"


def upgrade() -> None:
    """Add it, but for what an earlier migration added that was cut off where statements cannot be undone."""
    inspector = sa.inspect(op.get_bind())
    for table in ("states", "cells"):
        if "asked" not in {each["name"] for each in inspector.get_columns(table)}:
            op.add_column(table, sa.Column("asked", sa.String(64), nullable=False, server_default=""))
    if _INDEX not in {each["name"] for each in inspector.get_indexes("states")}:
        op.create_index(_INDEX, "states", ["scan", "asked", "ok_at"], unique=False)
