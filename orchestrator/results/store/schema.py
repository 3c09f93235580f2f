"""The tables. Moments are whole seconds since 1970, and 0 where there is none, so that every index holds them in order.

    targets ─┬─ names                        every name under which it was asked for
             ├─ workload_targets ── workloads
             └─ states ─┬─ cells ── runs     a state: how a target and scan stands; a cell: how it went in a run
                        ├─ findings ── facts ── fact_ids
                        └─ boms

A fact is what a finding says, wherever it is found: thousands of images have the same one, so it is kept once, and a
finding is a row of numbers: which target and scan has which fact, from which run on, and since which run no more.
`fact_ids` has each fact's own id and its aliases.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

#: Characters of what a scanner wrote that are kept of one text; what is longer is cut off.
LONGEST = 4000
#: Characters of an id that are kept for looking it up.
LONGEST_ID = 255
#: Of names that are part of a key.
LONGEST_NAME = 512

# MariaDB and MySQL hold texts as equal that differ in case or accents, unless told otherwise.
_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}
_MARIADB: dict[str, Any] = {name.replace("mysql", "mariadb"): value for name, value in _MYSQL.items()}
OPTIONS: dict[str, Any] = {**_MYSQL, **_MARIADB}
_GONE = text("gone_at > 0")
KEYLESS: dict[str, Any] = {**OPTIONS, "sqlite_with_rowid": False}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# SQLite numbers rows by itself only in a column of just this type.
ID = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", ID, primary_key=True, autoincrement=True)


def _of(table: str, name: str, *, key: bool = False, index: bool = False) -> Column[int]:
    of = ForeignKey(f"{table}.id")
    return Column(name, ID, of, nullable=False, primary_key=key, autoincrement=False, index=index)


def _run(name: str) -> Column[int]:
    """Of a run; no foreign key, which would cost as much as the row itself: runs are never deleted, only emptied."""
    return Column(name, BigInteger, nullable=True)


def _moment(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=0)


def _text(name: str, length: int | None = None) -> Column[str]:
    return Column(name, String(length) if length else Text, nullable=False, default="")


targets = Table(
    "targets",
    metadata,
    _id(),
    Column("target", String(128), nullable=False, unique=True),
    _text("digest", 160),
    _text("platform", 64),
    _text("reference", LONGEST_NAME),
    _moment("first_at"),
    _moment("last_at"),
    **OPTIONS,
)

names = Table(
    "names",
    metadata,
    _id(),
    _of("targets", "target_id"),
    Column("reference", String(LONGEST_NAME), nullable=False),
    Column("owner", String(200), nullable=False),
    _text("labels"),
    _moment("first_at"),
    _moment("last_at"),
    UniqueConstraint("target_id", "reference", "owner"),
    Index("ix_names_reference", "reference"),
    **OPTIONS,
)

workloads = Table(
    "workloads",
    metadata,
    _id(),
    Column("cluster", String(128), nullable=False),
    Column("namespace", String(63), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("name", String(253), nullable=False),
    _text("owner", 200),
    _text("contact", 200),
    Column("max_lifetime", BigInteger),
    _moment("first_at"),
    _moment("last_at"),
    UniqueConstraint("cluster", "namespace", "kind", "name"),
    Index("ix_workloads_cluster_last_at", "cluster", "last_at"),
    **OPTIONS,
)

workload_targets = Table(
    "workload_targets",
    metadata,
    _of("workloads", "workload_id", key=True),
    _of("targets", "target_id", key=True, index=True),
    Column("container", String(253), primary_key=True),
    _moment("first_at"),
    _moment("last_at"),
    **KEYLESS,
)

runs = Table(
    "runs",
    metadata,
    _id(),
    Column("run", String(128), nullable=False, unique=True),
    _moment("created_at"),
    _moment("finished_at"),
    _text("ledger_digest", 80),
    _text("ledger_stamp", 64),
    Column("passed", Boolean, nullable=False, default=True),
    Column("pruned", Boolean, nullable=False, default=False),
    Index("ix_runs_finished_at", "finished_at"),
    **OPTIONS,
)

states = Table(
    "states",
    metadata,
    _id(),
    _of("targets", "target_id"),
    Column("scan", String(128), nullable=False),
    _run("last_run_id"),
    _moment("last_at"),
    _text("outcome", 8),
    _text("reason"),
    _run("ok_run_id"),
    _moment("ok_at"),
    Column("failures", Integer, nullable=False, default=0),
    Column("findings", Integer, nullable=False, default=0),
    _text("scanner", 100),
    _text("scanner_version", 100),
    _text("database_version", 100),
    _text("report_digest", 80),
    UniqueConstraint("target_id", "scan"),
    # What is stale, by age or versions; and the counts of the whole matrix out of the index alone.
    Index("ix_states_scan_ok_at", "scan", "ok_at", "outcome", "scanner_version", "database_version"),
    Index("ix_states_last_at", "last_at"),
    **OPTIONS,
)

cells = Table(
    "cells",
    metadata,
    _of("states", "state_id", key=True),
    _of("runs", "run_id", key=True, index=True),
    _moment("at"),
    _text("outcome", 8),
    _text("reason"),
    Column("attempts", Integer, nullable=False, default=0),
    _moment("started_at"),
    Column("findings", Integer),
    Column("components", Integer),
    _text("scanner", 100),
    _text("scanner_version", 100),
    _text("database_version", 100),
    Column("database_age", BigInteger),
    _text("report_digest", 80),
    _text("note"),
    _text("log"),
    **KEYLESS,
)

facts = Table(
    "facts",
    metadata,
    _id(),
    Column("digest", String(32), nullable=False, unique=True),
    _text("identity", 32),
    _text("kind", 32),
    _text("name", LONGEST_ID),
    Column("severity", SmallInteger, nullable=False),
    _text("title"),
    _text("package"),
    _text("version"),
    _text("purl"),
    _text("location"),
    _text("fixed_version"),
    Column("cvss_score", Float),
    _text("cvss_version", 16),
    _text("cvss_vector"),
    **OPTIONS,
)

fact_ids = Table(
    "fact_ids",
    metadata,
    Column("name", String(LONGEST_ID), primary_key=True),
    _of("facts", "fact_id", key=True, index=True),
    Column("own", Boolean, nullable=False),
    **KEYLESS,
)

findings = Table(
    "findings",
    metadata,
    # No foreign keys either: they would take a third of the time of an import. There is one writer, and it makes states
    # and facts before what refers to them, and takes them away after it.
    Column("state_id", ID, primary_key=True, autoincrement=False),
    Column("fact_id", ID, primary_key=True, autoincrement=False),
    Column("first_run_id", BigInteger, primary_key=True, autoincrement=False),
    _moment("first_at"),
    _run("last_run_id"),
    _moment("last_at"),
    _run("gone_run_id"),
    _moment("gone_at"),
    # Who has this; what came since; what went since.
    Index("ix_findings_fact_id_gone_at", "fact_id", "gone_at"),
    Index("ix_findings_first_at", "first_at"),
    # Only of those that are gone: an index of all would look good to a planner that asks for what is still there.
    Index("ix_findings_gone_at", "gone_at", sqlite_where=_GONE, postgresql_where=_GONE),
    **KEYLESS,
)

boms = Table(
    "boms",
    metadata,
    _of("states", "state_id", key=True),
    Column("digest", String(80), primary_key=True),
    Column("components", Integer, nullable=False),
    _text("path", LONGEST_NAME),
    _run("run_id"),
    _moment("at"),
    **KEYLESS,
)
