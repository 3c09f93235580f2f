"""What the scans of a run look for, and targets of which the digests of indexes are looked up."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_INDEX = "ix_target_digests_target_id"


def upgrade() -> None:
    """Make them, but for what an earlier migration made that was cut off where statements cannot be undone."""
    inspector = sa.inspect(op.get_bind())
    if "looks_for" not in {each["name"] for each in inspector.get_columns("runs")}:
        op.add_column("runs", sa.Column("looks_for", sa.Text(), nullable=True))
    if _INDEX not in {each["name"] for each in inspector.get_indexes("target_digests")}:
        op.create_index(_INDEX, "target_digests", ["target_id"], unique=False)
