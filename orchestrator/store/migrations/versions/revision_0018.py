"""Events that may start jobs are kept whole."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column, unless a migration that was cut off has added it."""
    if "whole" not in {each["name"] for each in sa.inspect(op.get_bind()).get_columns("inbox")}:
        kind = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
        op.add_column("inbox", sa.Column("whole", kind, nullable=True))
