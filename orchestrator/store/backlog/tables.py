"""The tables of the scheduler: what should be kept fresh, which runs are on their way, and who looks after what.

    targets ── wanted_targets        what the planner needs to plan the target again
    states ─── wanted ── submissions     a cell that should be kept fresh, and the run that has taken it on
    chores                           what one replica does for all of them

A submission is a run from the moment its cells are picked until its results are in the store; `slot` is its place
among the runs in flight, whose number is limited. `holder` looks after it until the lease runs out. All moments
are by the clock of the database, so that replicas need not agree on the time.
"""

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from orchestrator.store.columns import KEYLESS, OPTIONS, id_column, metadata, number, reference, words

#: When a cell is due of which that is not reckoned yet.
NEVER = 2**62
# MySQL's plain TEXT ends at 64 KiB.
_LONG = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")


wanted_targets = Table(
    "wanted_targets",
    metadata,
    reference("targets", "target_id", key=True),
    words("owner", 200),
    Column("entries", _LONG, nullable=False),
    **OPTIONS,
)

wanted = Table(
    "wanted",
    metadata,
    reference("states", "state_id", key=True),
    reference("targets", "target_id", index=True),
    # Number of the look at all sources that last named it.
    number("look"),
    number("due_at"),
    # 0 for none.
    number("submission_id"),
    # How often in a row it could not even be run, since when, and why.
    Column("refusals", Integer, nullable=False, default=0),
    number("tried_at"),
    words("refusal"),
    Index("ix_wanted_submission_id_due_at", "submission_id", "due_at"),
    **KEYLESS,
)

submissions = Table(
    "submissions",
    metadata,
    id_column(),
    Column("run", String(128), nullable=False),
    Column("slot", Integer, nullable=False),
    Column("holder", String(200), nullable=False),
    number("until"),
    Column("stage", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    words("trouble"),
    number("began_at"),
    UniqueConstraint("run"),
    UniqueConstraint("slot"),
    # A number is never given twice: who is late with the end of a run must not end another.
    sqlite_autoincrement=True,
    **OPTIONS,
)

chores = Table(
    "chores",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(200), nullable=False),
    number("until"),
    # Counts how often it was begun.
    number("number"),
    **KEYLESS,
)

scan_versions = Table(
    "scan_versions",
    metadata,
    id_column(),
    Column("scan", String(128), nullable=False),
    Column("scanner_version", String(100), nullable=False),
    Column("database_version", String(100), nullable=False),
    number("first_at"),
    UniqueConstraint("scan", "scanner_version", "database_version"),
    **OPTIONS,
)

__all__ = ["chores", "scan_versions", "submissions", "wanted", "wanted_targets"]
