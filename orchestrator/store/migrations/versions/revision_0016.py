"""Whether a target ever had a finding by a scan, kept with both; and a digest of the names that a run has."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_INDEX = "ix_states_ever_found_target_id"
_FOUND = """
UPDATE states SET ever_found = 1
WHERE EXISTS (SELECT 1 FROM findings WHERE findings.state_id = states.id)
"""


def upgrade() -> None:
    """Add what a migration that was cut off has not added yet; of runs that are there, the names are compared."""
    database = sa.inspect(op.get_bind())
    of_states = {each["name"] for each in database.get_columns("states")}
    if "ever_found" not in of_states:
        op.add_column("states", sa.Column("ever_found", sa.BigInteger(), nullable=False, server_default="0"))
    if "names_digest" not in {each["name"] for each in database.get_columns("runs")}:
        op.add_column("runs", sa.Column("names_digest", sa.String(32), nullable=False, server_default=""))
    op.execute(_FOUND)
    if _INDEX not in {each["name"] for each in database.get_indexes("states")}:
        op.create_index(_INDEX, "states", ["ever_found", "target_id"])
