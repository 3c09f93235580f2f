"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPTIONS: dict[str, Any] = {
    f"{database}_{option}": value
    for database in ("mariadb", "mysql")
    for option, value in (("charset", "utf8mb4"), ("collate", "utf8mb4_bin"), ("engine", "InnoDB"))
}
_KEYLESS: dict[str, Any] = {**_OPTIONS, "sqlite_with_rowid": False}


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "facts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("identity", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("severity", sa.SmallInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("purl", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("fixed_version", sa.Text(), nullable=False),
        sa.Column("cvss_score", sa.Float(), nullable=True),
        sa.Column("cvss_version", sa.String(length=16), nullable=False),
        sa.Column("cvss_vector", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_facts"),
        sa.UniqueConstraint("digest", name="uq_facts_digest"),
        **_OPTIONS,
    )
    op.create_table(
        "runs",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("run", sa.String(length=128), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("ledger_digest", sa.String(length=80), nullable=False),
        sa.Column("ledger_stamp", sa.String(length=64), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("pruned", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("run", name="uq_runs_run"),
        **_OPTIONS,
    )
    op.create_index("ix_runs_finished_at", "runs", ["finished_at"], unique=False)
    op.create_table(
        "targets",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("target", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=160), nullable=False),
        sa.Column("platform", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=512), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        sa.UniqueConstraint("target", name="uq_targets_target"),
        **_OPTIONS,
    )
    op.create_table(
        "workloads",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("cluster", sa.String(length=128), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=200), nullable=False),
        sa.Column("max_lifetime", sa.BigInteger(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workloads"),
        sa.UniqueConstraint("cluster", "namespace", "kind", "name", name="uq_workloads_cluster_namespace_kind_name"),
        **_OPTIONS,
    )
    op.create_index("ix_workloads_cluster_last_at", "workloads", ["cluster", "last_at"], unique=False)
    op.create_table(
        "fact_ids",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("fact_id", _ID, autoincrement=False, nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["fact_id"], ["facts.id"], name="fk_fact_ids_fact_id"),
        sa.PrimaryKeyConstraint("name", "fact_id", name="pk_fact_ids"),
        **_KEYLESS,
    )
    op.create_index("ix_fact_ids_fact_id", "fact_ids", ["fact_id"], unique=False)
    op.create_table(
        "names",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("target_id", _ID, autoincrement=False, nullable=False),
        sa.Column("reference", sa.String(length=512), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_names_target_id"),
        sa.PrimaryKeyConstraint("id", name="pk_names"),
        sa.UniqueConstraint("target_id", "reference", "owner", name="uq_names_target_id_reference_owner"),
        **_OPTIONS,
    )
    op.create_index("ix_names_reference", "names", ["reference"], unique=False)
    op.create_table(
        "states",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("target_id", _ID, autoincrement=False, nullable=False),
        sa.Column("scan", sa.String(length=128), nullable=False),
        sa.Column("last_run_id", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ok_run_id", sa.BigInteger(), nullable=True),
        sa.Column("ok_at", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("scanner", sa.String(length=100), nullable=False),
        sa.Column("scanner_version", sa.String(length=100), nullable=False),
        sa.Column("database_version", sa.String(length=100), nullable=False),
        sa.Column("report_digest", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_states_target_id"),
        sa.PrimaryKeyConstraint("id", name="pk_states"),
        sa.UniqueConstraint("target_id", "scan", name="uq_states_target_id_scan"),
        **_OPTIONS,
    )
    op.create_index("ix_states_last_at", "states", ["last_at"], unique=False)
    op.create_index(
        "ix_states_scan_ok_at",
        "states",
        ["scan", "ok_at", "outcome", "scanner_version", "database_version"],
        unique=False,
    )
    op.create_table(
        "workload_targets",
        sa.Column("workload_id", _ID, autoincrement=False, nullable=False),
        sa.Column("target_id", _ID, autoincrement=False, nullable=False),
        sa.Column("container", sa.String(length=253), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_workload_targets_target_id"),
        sa.ForeignKeyConstraint(["workload_id"], ["workloads.id"], name="fk_workload_targets_workload_id"),
        sa.PrimaryKeyConstraint("workload_id", "target_id", "container", name="pk_workload_targets"),
        **_KEYLESS,
    )
    op.create_index("ix_workload_targets_target_id", "workload_targets", ["target_id"], unique=False)
    op.create_table(
        "boms",
        sa.Column("state_id", _ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("components", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["state_id"], ["states.id"], name="fk_boms_state_id"),
        sa.PrimaryKeyConstraint("state_id", "digest", name="pk_boms"),
        **_KEYLESS,
    )
    op.create_table(
        "cells",
        sa.Column("state_id", _ID, autoincrement=False, nullable=False),
        sa.Column("run_id", _ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("findings", sa.Integer(), nullable=True),
        sa.Column("components", sa.Integer(), nullable=True),
        sa.Column("scanner", sa.String(length=100), nullable=False),
        sa.Column("scanner_version", sa.String(length=100), nullable=False),
        sa.Column("database_version", sa.String(length=100), nullable=False),
        sa.Column("database_age", sa.BigInteger(), nullable=True),
        sa.Column("report_digest", sa.String(length=80), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("log", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_cells_run_id"),
        sa.ForeignKeyConstraint(["state_id"], ["states.id"], name="fk_cells_state_id"),
        sa.PrimaryKeyConstraint("state_id", "run_id", name="pk_cells"),
        **_KEYLESS,
    )
    op.create_index("ix_cells_run_id", "cells", ["run_id"], unique=False)
    op.create_table(
        "findings",
        sa.Column("state_id", _ID, autoincrement=False, nullable=False),
        sa.Column("fact_id", _ID, autoincrement=False, nullable=False),
        sa.Column("first_run_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_run_id", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("gone_run_id", sa.BigInteger(), nullable=True),
        sa.Column("gone_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("state_id", "fact_id", "first_run_id", name="pk_findings"),
        **_KEYLESS,
    )
    op.create_index("ix_findings_fact_id_gone_at", "findings", ["fact_id", "gone_at"], unique=False)
    op.create_index("ix_findings_first_at", "findings", ["first_at"], unique=False)
    op.create_index(
        "ix_findings_gone_at",
        "findings",
        ["gone_at"],
        unique=False,
        sqlite_where=sa.text("gone_at > 0"),
        postgresql_where=sa.text("gone_at > 0"),
    )
