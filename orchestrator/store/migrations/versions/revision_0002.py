"""The tables of the scheduler."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}
_KEYLESS: dict[str, Any] = {**_OPTIONS, "sqlite_with_rowid": False}


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "wanted_targets",
        sa.Column("target_id", _ID, autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("entries", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_wanted_targets_target_id"),
        sa.PrimaryKeyConstraint("target_id", name="pk_wanted_targets"),
        **_OPTIONS,
    )
    op.create_table(
        "wanted",
        sa.Column("state_id", _ID, autoincrement=False, nullable=False),
        sa.Column("target_id", _ID, nullable=False),
        sa.Column("look", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("submission_id", sa.BigInteger(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.BigInteger(), nullable=False),
        sa.Column("refusal", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["state_id"], ["states.id"], name="fk_wanted_state_id"),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_wanted_target_id"),
        sa.PrimaryKeyConstraint("state_id", name="pk_wanted"),
        **_KEYLESS,
    )
    op.create_index("ix_wanted_target_id", "wanted", ["target_id"], unique=False)
    op.create_index("ix_wanted_submission_id_due_at", "wanted", ["submission_id", "due_at"], unique=False)
    op.create_table(
        "submissions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submissions"),
        sa.UniqueConstraint("run", name="uq_submissions_run"),
        sa.UniqueConstraint("slot", name="uq_submissions_slot"),
        sqlite_autoincrement=True,
        **_OPTIONS,
    )
    op.create_table(
        "chores",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_chores"),
        **_KEYLESS,
    )
    op.create_table(
        "scan_versions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("scan", sa.String(length=128), nullable=False),
        sa.Column("scanner_version", sa.String(length=100), nullable=False),
        sa.Column("database_version", sa.String(length=100), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scan_versions"),
        sa.UniqueConstraint(
            "scan", "scanner_version", "database_version", name="uq_scan_versions_scan_scanner_version_database_version"
        ),
        **_OPTIONS,
    )
