"""When the cells of each run ended, and what they are; and those of a run that did not end ok, found by the index."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NEW, _OLD = "ix_cells_run_id_outcome_state_id", "ix_cells_run_id"
_TIMES = """
UPDATE runs SET
    begin_at = COALESCE((SELECT MIN(cells.at) FROM cells WHERE cells.run_id = runs.id), 0),
    end_at = COALESCE((SELECT MAX(cells.at) FROM cells WHERE cells.run_id = runs.id), 0)
"""


def upgrade() -> None:
    """Add what a migration that was cut off has not added yet; of runs that are there, only the times are known."""
    database = sa.inspect(op.get_bind())
    there = {each["name"] for each in database.get_columns("runs")}
    for name in ("begin_at", "end_at"):
        if name not in there:
            op.add_column("runs", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    if "extent" not in there:
        op.add_column("runs", sa.Column("extent", sa.Text(), nullable=True))
    op.execute(_TIMES)
    indexes = {each["name"] for each in database.get_indexes("cells")}
    # The new one first: MariaDB keeps no foreign key without an index.
    if _NEW not in indexes:
        op.create_index(_NEW, "cells", ["run_id", "outcome", "state_id"])
    if _OLD in indexes:
        op.drop_index(_OLD, "cells")
