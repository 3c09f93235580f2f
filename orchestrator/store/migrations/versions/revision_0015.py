"""The facts about one thing, found by an index: what else a target has of a thing of which something came or went."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_NEW = "ix_facts_identity"


def upgrade() -> None:
    """Add the index, unless a migration that was cut off has added it."""
    if _NEW not in {each["name"] for each in sa.inspect(op.get_bind()).get_indexes("facts")}:
        op.create_index(_NEW, "facts", ["identity"])
