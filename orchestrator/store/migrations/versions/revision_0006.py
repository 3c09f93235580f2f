"""Merged rows: what a fact says as a whole, which names a run had, and where a state's findings were last told.

Rows of before stay as they are until their run is read from the volume again (`runs.form` is 0); those of a run whose
files are gone stay for good. Which names such a run had follows from when each name was asked for.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0006"
down_revision = "0005"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}
_KEYLESS: dict[str, Any] = {**_OPTIONS, "sqlite_with_rowid": False}
_NUMBERS = (("runs", "partial"), ("runs", "form"), ("cells", "held"), ("states", "held_at"), ("findings", "seen_at"))

_TAGS = """
INSERT INTO tags (reference, platform)
SELECT DISTINCT names.reference, targets.platform FROM names JOIN targets ON targets.id = names.target_id
"""
_RUN_TAGS = """
INSERT INTO run_tags (run_id, tag_id, target_id)
SELECT DISTINCT cells.run_id, tags.id, targets.id
FROM cells
JOIN runs ON runs.id = cells.run_id
JOIN states ON states.id = cells.state_id
JOIN targets ON targets.id = states.target_id
JOIN names ON names.target_id = targets.id
JOIN tags ON tags.reference = names.reference AND tags.platform = targets.platform
WHERE names.first_at <= runs.created_at AND names.last_at >= runs.created_at
"""


def upgrade() -> None:
    """Make them, but for what an earlier migration made that was cut off where statements cannot be undone."""
    inspector = sa.inspect(op.get_bind())
    for table, name in _NUMBERS:
        _add(inspector, table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    _add(inspector, "runs", sa.Column("summary", sa.Text(), nullable=True))
    _add(inspector, "cells", sa.Column("standing", sa.String(128), nullable=False, server_default=""))
    _add(inspector, "states", sa.Column("held_run_id", sa.BigInteger(), nullable=True))
    _add(inspector, "states", sa.Column("rows_digest", sa.String(32), nullable=False, server_default=""))
    document = sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
    _add(inspector, "facts", sa.Column("document", document, nullable=True))
    present = set(inspector.get_table_names())
    if "tags" not in present:
        op.create_table(
            "tags",
            sa.Column("id", _ID, autoincrement=True, nullable=False),
            sa.Column("reference", sa.String(length=512), nullable=False),
            sa.Column("platform", sa.String(length=64), nullable=False),
            sa.PrimaryKeyConstraint("id", name="pk_tags"),
            sa.UniqueConstraint("reference", "platform", name="uq_tags_reference_platform"),
            **_OPTIONS,
        )
    if "run_tags" not in present:
        op.create_table(
            "run_tags",
            sa.Column("run_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("tag_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.PrimaryKeyConstraint("run_id", "tag_id", "target_id", name="pk_run_tags"),
            **_KEYLESS,
        )
    for column in ("tag_id", "target_id"):
        name = f"ix_run_tags_{column}"
        made = [] if "run_tags" not in present else inspector.get_indexes("run_tags")
        if name not in {index["name"] for index in made}:
            op.create_index(name, "run_tags", [column], unique=False)
    if "target_digests" not in present:
        op.create_table(
            "target_digests",
            sa.Column("digest", sa.String(length=160), nullable=False),
            sa.Column("target_id", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.PrimaryKeyConstraint("digest", "target_id", name="pk_target_digests"),
            **_KEYLESS,
        )
    if "scores" not in present:
        op.create_table(
            "scores",
            sa.Column("name", sa.String(length=255), nullable=False),
            sa.Column("epss", sa.Float(), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("name", name="pk_scores"),
            **_KEYLESS,
        )
    _carry()


def _carry() -> None:
    """What follows from the rows of before; again from the start where an earlier migration was cut off."""
    op.execute("DELETE FROM run_tags")
    op.execute("DELETE FROM tags")
    op.execute(_TAGS)
    op.execute(_RUN_TAGS)
    op.execute("UPDATE cells SET held = 1 WHERE outcome = 'ok'")
    op.execute("UPDATE states SET held_run_id = ok_run_id, held_at = ok_at WHERE ok_at > 0")


def _add(inspector: sa.Inspector, table: str, column: sa.Column[Any]) -> None:
    if column.name not in {each["name"] for each in inspector.get_columns(table)}:
        op.add_column(table, column)
