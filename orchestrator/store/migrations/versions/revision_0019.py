"""Cells that wait for workers, and who takes them."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}


def upgrade() -> None:
    """Add what a migration that was cut off has not added yet."""
    there = set(sa.inspect(op.get_bind()).get_table_names())
    if "queued_runs" not in there:
        op.create_table(
            "queued_runs",
            sa.Column("id", _ID, primary_key=True, autoincrement=True),
            sa.Column("run", sa.String(128), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("deadline_at", sa.BigInteger(), nullable=False),
            sa.Column("over", sa.Text(), nullable=False),
            sa.UniqueConstraint("run", name="uq_queued_runs_run"),
            sqlite_autoincrement=True,
            **_OPTIONS,
        )
    if "queued_cells" not in there:
        op.create_table(
            "queued_cells",
            sa.Column("id", _ID, primary_key=True, autoincrement=True),
            sa.Column("run_id", _ID, sa.ForeignKey("queued_runs.id", name="fk_queued_cells_run_id"), nullable=False),
            sa.Column("target", sa.String(128), nullable=False),
            sa.Column("scan", sa.String(128), nullable=False),
            sa.Column("message_version", sa.Integer(), nullable=False),
            sa.Column("scan_version", sa.String(64), nullable=False),
            sa.Column("batch", sa.Integer(), nullable=False),
            sa.Column("turn", sa.Integer(), nullable=False),
            sa.Column("state", sa.String(8), nullable=False),
            sa.Column("token", sa.String(32), nullable=False),
            sa.Column("holder", sa.String(200), nullable=False),
            sa.Column("until", sa.BigInteger(), nullable=False),
            sa.Column("doubted", sa.Integer(), nullable=False),
            sa.Column("attempts", sa.Integer(), nullable=False),
            sa.Column("reason", sa.Text(), nullable=False),
            sa.Column("started_at", sa.BigInteger(), nullable=False),
            sa.Column("ended_at", sa.BigInteger(), nullable=False),
            sqlite_autoincrement=True,
            **_OPTIONS,
        )
    if "queue_workers" not in there:
        op.create_table(
            "queue_workers",
            sa.Column("name", sa.String(200), primary_key=True),
            sa.Column("offers", sa.Text(), nullable=False),
            sa.Column("since", sa.BigInteger(), nullable=False),
            sa.Column("until", sa.BigInteger(), nullable=False),
            sqlite_with_rowid=False,
            **_OPTIONS,
        )
    for columns in (["scan_version", "state", "turn", "id"], ["run_id", "state", "batch"], ["state", "until"]):
        name = f"ix_queued_cells_{'_'.join(columns)}"
        if name not in {each["name"] for each in sa.inspect(op.get_bind()).get_indexes("queued_cells")}:
            op.create_index(name, "queued_cells", columns)
