"""What a cell's result was matched from, where it was not scanned itself, and who put it, where no scan of ours did."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add them, but for those of an earlier migration that was cut off where statements cannot be undone."""
    present = {each["name"] for each in sa.inspect(op.get_bind()).get_columns("cells")}
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("source_bom", sa.String(80), nullable=False, server_default=""),
        sa.Column("source_made_at", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("source_cataloguer", sa.String(100), nullable=False, server_default=""),
        sa.Column("put_by", sa.String(200), nullable=False, server_default=""),
    )
    for column in columns:
        if column.name not in present:
            op.add_column("cells", column)
