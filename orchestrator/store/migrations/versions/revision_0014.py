"""The targets of a scan in an order of their own, so that they are listed page by page."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_INDEX = "ix_states_scan_target_id"


def upgrade() -> None:
    """Add it, unless a migration that was cut off has."""
    if _INDEX not in {each["name"] for each in sa.inspect(op.get_bind()).get_indexes("states")}:
        op.create_index(_INDEX, "states", ["scan", "target_id"])
