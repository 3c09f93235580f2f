"""How many things each target has, kept with it, so that a question of what changed need not count what stands."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_COUNT = """
UPDATE targets SET things = (
    SELECT COUNT(DISTINCT facts.identity)
    FROM states
    JOIN findings ON findings.state_id = states.id
    JOIN facts ON facts.id = findings.fact_id
    WHERE states.target_id = targets.id AND findings.gone_at = 0
)
"""


def upgrade() -> None:
    """Add the number, unless a migration that was cut off has added it, and count what is there."""
    if "things" not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns("targets")}:
        op.add_column("targets", sa.Column("things", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(_COUNT)
