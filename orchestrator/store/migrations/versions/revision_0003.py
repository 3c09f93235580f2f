"""An index of states by the versions that made them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NAME = "ix_states_scan_versions"


def upgrade() -> None:
    """Make it, unless an earlier migration did that was cut off where statements cannot be undone (MariaDB, MySQL)."""
    if _NAME not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("states")}:
        op.create_index(_NAME, "states", ["scan", "scanner_version", "database_version", "ok_at"], unique=False)
