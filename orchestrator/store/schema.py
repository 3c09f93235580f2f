"""The tables. Moments are whole seconds since 1970, and 0 where there is none, so that every index holds them in order.

    targets ─┬─ names                        every name under which it was asked for
             ├─ run_tags ── tags, runs       under which names a run had it
             ├─ target_digests               of the indexes that led to it
             ├─ workload_targets ── workloads
             └─ states ─┬─ cells ── runs     a state: how a target and scan stands; a cell: how it went in a run
                        ├─ findings ── facts ── fact_ids
                        └─ boms

A fact is a merged finding, suppression included, without what differs from target to target: thousands of images have
the same one, so it is kept once, and a finding is a row of numbers: which target has which fact by which scan, from
which run on, and since which run no more. `fact_ids` has each fact's own id and its aliases.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT

from orchestrator.store.columns import (
    ID,
    KEYLESS,
    OPTIONS,
    id_column,
    later_number,
    later_words,
    metadata,
    number,
    reference,
    run_column,
    words,
)

#: Characters of an id that are kept for looking it up.
LONGEST_ID = 255
#: Of names that are part of a key.
LONGEST_NAME = 512
#: Of why a result is not believed.
LONGEST_REASON = 500
#: Characters of a digest of what a scan asks.
LONGEST_QUESTION = 64

#: `runs.form` of a run whose rows are merged ones.
MERGED = 1

_GONE = text("gone_at > 0")

targets = Table(
    "targets",
    metadata,
    id_column(),
    Column("target", String(128), nullable=False, unique=True),
    words("digest", 160),
    words("platform", 64),
    words("reference", LONGEST_NAME),
    number("first_at"),
    number("last_at"),
    # How many things, by their keys, its scans have found that are still there: see `quiet.count_again`.
    later_number("things"),
    **OPTIONS,
)

names = Table(
    "names",
    metadata,
    id_column(),
    reference("targets", "target_id"),
    Column("reference", String(LONGEST_NAME), nullable=False),
    Column("owner", String(200), nullable=False),
    # One set of labels, as JSON, and what runs it in a cluster, which is among them.
    words("labels"),
    number("first_at"),
    number("last_at"),
    later_words("workload", LONGEST_NAME),
    # Of `Name.key`: reference, owner, labels and workload together are longer than a key may be.
    later_words("digest", 32),
    UniqueConstraint("target_id", "digest"),
    Index("ix_names_reference", "reference"),
    # What an owner may see: `orchestrator.store.scope`.
    Index("ix_names_owner_target_id", "owner", "target_id"),
    **OPTIONS,
)

workloads = Table(
    "workloads",
    metadata,
    id_column(),
    Column("cluster", String(128), nullable=False),
    Column("namespace", String(63), nullable=False),
    Column("kind", String(63), nullable=False),
    Column("name", String(253), nullable=False),
    words("owner", 200),
    words("contact", 200),
    Column("max_lifetime", BigInteger),
    number("first_at"),
    number("last_at"),
    UniqueConstraint("cluster", "namespace", "kind", "name"),
    Index("ix_workloads_cluster_last_at", "cluster", "last_at"),
    **OPTIONS,
)

workload_targets = Table(
    "workload_targets",
    metadata,
    reference("workloads", "workload_id", key=True),
    reference("targets", "target_id", key=True, index=True),
    Column("container", String(253), primary_key=True),
    number("first_at"),
    number("last_at"),
    **KEYLESS,
)

runs = Table(
    "runs",
    metadata,
    id_column(),
    Column("run", String(128), nullable=False, unique=True),
    number("created_at"),
    number("finished_at"),
    words("ledger_digest", 80),
    words("ledger_stamp", 64),
    Column("passed", Boolean, nullable=False, default=True),
    Column("pruned", Boolean, nullable=False, default=False),
    later_number("partial"),
    # `MERGED` for merged rows; 0 for those of a version that kept what each scanner reported, until it is read again.
    later_number("form"),
    # A `RunSummary` as JSON; none of such a version.
    Column("summary", Text),
    # By kind of finding, the scans that look for it, as JSON; none of such a version.
    Column("looks_for", Text),
    # When its first and its last cell ended; what its cells are, as JSON (`Extent`), unless only they can tell it.
    later_number("begin_at"),
    later_number("end_at"),
    Column("extent", Text),
    # Of which names it has for which targets: runs with the same ones need not be compared. Empty where nobody knows.
    later_words("names_digest", 32),
    Index("ix_runs_finished_at", "finished_at"),
    **OPTIONS,
)

states = Table(
    "states",
    metadata,
    id_column(),
    reference("targets", "target_id"),
    Column("scan", String(128), nullable=False),
    run_column("last_run_id"),
    number("last_at"),
    words("outcome", 8),
    words("reason"),
    run_column("ok_run_id"),
    number("ok_at"),
    Column("failures", Integer, nullable=False, default=0),
    Column("findings", Integer, nullable=False, default=0),
    words("scanner", 100),
    words("scanner_version", 100),
    words("database_version", 100),
    words("report_digest", 80),
    later_words("scanner_image", LONGEST_NAME),
    later_number("suspect_at"),
    later_words("suspect", LONGEST_REASON),
    # The newest cell that told what there is (ok, or its standing result read again), and a digest of all it told.
    run_column("held_run_id"),
    later_number("held_at"),
    later_words("rows_digest", 32),
    # Digest of what was asked of its newest ok cell; empty where an earlier version did not write it down.
    later_words("asked", LONGEST_QUESTION),
    # 1 where it ever had a finding, pruned ones too; see `HAS_FOUND`.
    later_number("ever_found"),
    UniqueConstraint("target_id", "scan"),
    # What is stale by age, and the counts of the whole matrix, out of the index alone; what is stale by versions.
    Index("ix_states_scan_ok_at", "scan", "ok_at", "outcome", "scanner_version", "database_version"),
    Index("ix_states_scan_versions", "scan", "scanner_version", "database_version", "ok_at"),
    # Whether any answers another question than is asked now; most often none does.
    Index("ix_states_scan_asked", "scan", "asked", "ok_at"),
    Index("ix_states_last_at", "last_at"),
    # The targets of a scan, page by page.
    Index("ix_states_scan_target_id", "scan", "target_id"),
    # The few whose newest ok result, of this moment, is not believed; 0 for all others.
    Index("ix_states_suspect_at", "suspect_at"),
    # The targets of which some scan ever found something, each next to itself.
    Index("ix_states_ever_found_target_id", "ever_found", "target_id"),
    **OPTIONS,
)

cells = Table(
    "cells",
    metadata,
    reference("states", "state_id", key=True),
    reference("runs", "run_id", key=True),
    number("at"),
    words("outcome", 8),
    words("reason"),
    Column("attempts", Integer, nullable=False, default=0),
    number("started_at"),
    Column("findings", Integer),
    Column("components", Integer),
    words("scanner", 100),
    words("scanner_version", 100),
    words("database_version", 100),
    Column("database_age", BigInteger),
    words("report_digest", 80),
    words("note"),
    words("log"),
    later_words("scanner_image", LONGEST_NAME),
    later_words("standing", 128),
    # 1 where it told what there is: see `states.held_at`.
    later_number("held"),
    # `BomSource`: the stored bill of materials that it was matched from; empty of one that was scanned itself.
    later_words("source_bom", 80),
    later_number("source_made_at"),
    later_words("source_cataloguer", 100),
    # Who put the report of an external scan on the volume.
    later_words("put_by", 200),
    later_words("asked", LONGEST_QUESTION),
    # The cells of a run; most of all the few that did not end ok.
    Index("ix_cells_run_id_outcome_state_id", "run_id", "outcome", "state_id"),
    **KEYLESS,
)

facts = Table(
    "facts",
    metadata,
    id_column(),
    Column("digest", String(32), nullable=False, unique=True),
    words("identity", 32),
    words("kind", 32),
    words("name", LONGEST_ID),
    Column("severity", SmallInteger, nullable=False),
    words("title"),
    words("package"),
    words("version"),
    words("purl"),
    words("location"),
    words("fixed_version"),
    Column("cvss_score", Float),
    words("cvss_version", 16),
    words("cvss_vector"),
    later_words("place", LONGEST_NAME),
    # The merged finding as JSON; none of a fact that an earlier version wrote.
    Column("document", Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")),
    # Facts about the same thing: what else is known of what came or went.
    Index("ix_facts_identity", "identity"),
    **OPTIONS,
)

fact_ids = Table(
    "fact_ids",
    metadata,
    Column("name", String(LONGEST_ID), primary_key=True),
    reference("facts", "fact_id", key=True, index=True),
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
    number("first_at"),
    run_column("last_run_id"),
    number("last_at"),
    run_column("gone_run_id"),
    number("gone_at"),
    # Since when it is known under a name of the target; 0 in rows of an earlier version.
    later_number("seen_at"),
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
    reference("states", "state_id", key=True),
    Column("digest", String(80), primary_key=True),
    Column("components", Integer, nullable=False),
    words("path", LONGEST_NAME),
    run_column("run_id"),
    number("at"),
    **KEYLESS,
)

tags = Table(
    "tags",
    metadata,
    id_column(),
    Column("reference", String(LONGEST_NAME), nullable=False),
    Column("platform", String(64), nullable=False),
    UniqueConstraint("reference", "platform"),
    **OPTIONS,
)

run_tags = Table(
    "run_tags",
    metadata,
    # No foreign keys: one row for each name of each run. The only writer makes what they refer to before them.
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tag_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    Column("target_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    **KEYLESS,
)

target_digests = Table(
    "target_digests",
    metadata,
    Column("digest", String(160), primary_key=True),
    Column("target_id", BigInteger, primary_key=True, autoincrement=False, index=True),
    **KEYLESS,
)

scores = Table(
    "scores",
    metadata,
    Column("name", String(LONGEST_ID), primary_key=True),
    Column("epss", Float, nullable=False),
    number("at"),
    **KEYLESS,
)

scanner_rules = Table(
    "scanner_rules",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    **KEYLESS,
)

HAS_FOUND = states.c.ever_found + 0 == 1
"""Whether a target ever had a finding by a scan, of a state; it may say so still where all of these were pruned.

The sum keeps planners from beginning with its index, of which most rows are often such.
"""
