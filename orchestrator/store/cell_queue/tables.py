"""The tables of the queue.

    queued_runs ── queued_cells      a run that workers carry out, and its cells that are to run
    queue_workers                    who takes cells, and of which scans

A row of `queued_cells` is the message, which names a cell and nothing else of it, and the lease: who has taken the
cell, by which token, and until when. Rows go when the results of their run are written. All moments are by the clock of
the database.
"""

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from orchestrator.store.columns import KEYLESS, OPTIONS, id_column, metadata, number, reference, words

queued_runs = Table(
    "queued_runs",
    metadata,
    id_column(),
    Column("run", String(128), nullable=False),
    number("at"),
    number("deadline_at"),
    # Why none of its cells is begun any more; empty while they are.
    words("over"),
    UniqueConstraint("run"),
    sqlite_autoincrement=True,
    **OPTIONS,
)

queued_cells = Table(
    "queued_cells",
    metadata,
    id_column(),
    reference("queued_runs", "run_id"),
    Column("target", String(128), nullable=False),
    Column("scan", String(128), nullable=False),
    # Of the message: workers of an earlier version leave those of a later one alone.
    Column("message_version", Integer, nullable=False),
    # Which template, image and database its plan means.
    Column("scan_version", String(64), nullable=False),
    Column("batch", Integer, nullable=False, default=0),
    # Whose turn comes first: small before large.
    Column("turn", Integer, nullable=False, default=0),
    Column("state", String(8), nullable=False),
    Column("token", String(32), nullable=False, default=""),
    Column("holder", String(200), nullable=False, default=""),
    number("until"),
    # Whether its holder has been silent for a whole lease, and has the last chance to say something.
    Column("doubted", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    words("reason"),
    number("started_at"),
    number("ended_at"),
    # Which one is taken next; whether a run has any left, and how each stands; which leases run out.
    Index("ix_queued_cells_scan_version_state_turn_id", "scan_version", "state", "turn", "id"),
    Index("ix_queued_cells_run_id_state_batch", "run_id", "state", "batch"),
    Index("ix_queued_cells_state_until", "state", "until"),
    sqlite_autoincrement=True,
    **OPTIONS,
)

queue_workers = Table(
    "queue_workers",
    metadata,
    Column("name", String(200), primary_key=True),
    # Version of each scan whose cells it takes, as JSON.
    Column("offers", Text, nullable=False),
    number("since"),
    number("until"),
    **KEYLESS,
)

__all__ = ["queue_workers", "queued_cells", "queued_runs"]
