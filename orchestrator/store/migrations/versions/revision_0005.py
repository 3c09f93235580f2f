"""Where within its location a finding lies."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the column, unless an earlier migration made it that was cut off where statements cannot be undone."""
    if "place" not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns("facts")}:
        op.add_column("facts", sa.Column("place", sa.String(512), nullable=False, server_default=""))
