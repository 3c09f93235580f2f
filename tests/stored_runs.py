"""Runs as the store takes them in: results on a volume, written as the aggregate step does, and their rows."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import select, text

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.model import KINDS, Finding, Ledger, LedgerRow, Name, Outcome, Plan, Severity, Suppressed, Target
from orchestrator.model.documents import encode, spell_time
from orchestrator.queries import Store
from orchestrator.results.tables.writing import FindingsWriter, MergedWriter
from orchestrator.store.backlog.store import BacklogStore
from orchestrator.store.columns import metadata
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.events.tables import event_counter, events
from orchestrator.volume.layout import Volume, atomic_file, write_atomic
from tests.aggregation import SCANS

DAY = datetime(2025, 3, 1, 10, tzinfo=UTC)
LOG4J = Finding(
    id="GHSA-jfh8-c2jp-5v3q",
    kind="vulnerability",
    severity=Severity.CRITICAL,
    aliases=("CVE-2021-44228",),
    package="log4j-core",
    version="2.14.1",
    fixed_version="2.15.0",
)


class AskedStore(BacklogStore, Store):
    """The scheduler's store, with its answers."""


def finding(number: int, **changes) -> Finding:
    fields = {"id": f"CVE-2025-{number}", "kind": "vulnerability", "severity": Severity.HIGH, "package": f"p{number}"}
    return Finding(**(fields | changes))


def day(number: float) -> datetime:
    return DAY + timedelta(days=number)


def write_run(
    volume: Volume,
    run: str,
    when: datetime,
    cells: Mapping[str, Sequence[Finding] | str],
    *,
    versions: tuple[str, str] = ("1", "db"),
    digests: Mapping[str, str] | None = None,
    names: Mapping[str, Sequence[Name]] | None = None,
    components: int | None = None,
    merged: bool = True,
    ignored: Collection[str] = (),
    asked: str = "",
) -> None:
    """Results of a run.

    Args:
        volume: where.
        run: its id.
        when: each cell ended.
        cells: by `target/scan`, what was found; or why it failed, `skipped: …` where it was skipped.
        versions: of scanner and database.
        digests: of reports, by cell; otherwise made of what was found.
        names: of targets; with them the run has a plan.
        components: of every ok cell.
        merged: whether there are merged findings, which runs of early versions have not.
        ignored: ids that a rule ignores.
        asked: digest of what was asked of every cell.
    """
    folder = volume.results(run)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    with (
        atomic_file(folder / "findings.parquet") as parquet,
        atomic_file(folder / "findings.csv") as csv,
        FindingsWriter(run, parquet, csv) as writer,
    ):
        for cell, found in cells.items():
            row = _row(cell, when, found, versions=versions, digest=(digests or {}).get(cell), components=components)
            if of_target := (names or {}).get(row.target):
                row = msgspec.structs.replace(
                    row,
                    references=tuple(dict.fromkeys(each.reference for each in of_target)),
                    owners=tuple(dict.fromkeys(each.owner for each in of_target if each.owner)) or row.owners,
                )
            row = msgspec.structs.replace(row, asked=asked)
            rows.append(row)
            if not isinstance(found, str):
                writer.add(row, found, 100)
    if merged:
        with (
            atomic_file(folder / "merged.parquet") as parquet,
            atomic_file(folder / "merged.csv") as csv,
            MergedWriter(run, parquet, csv) as writer,
        ):
            by_target: dict[str, list[LedgerRow]] = {}
            for row in rows:
                by_target.setdefault(row.target, []).append(row)
            for target, of_target in by_target.items():
                writer.add(of_target[0], _merged(target, of_target, cells, ignored))
    created = spell_time(when - timedelta(hours=1))
    if names is not None:
        targets = tuple(Target(id=target, names=tuple(of)) for target, of in names.items())
        plan = Plan(run=run, created=created, version="1", scans=SCANS, targets=targets, cells=())
        write_atomic(volume.plan(run), encode(plan))
    ledger = Ledger(run=run, created=created, finished=spell_time(when), rows=tuple(rows))
    write_atomic(folder / "ledger.json", encode(ledger))


def _merged(target, rows, cells, ignored):
    kinds = frozenset(KINDS)
    given = [CellFindings(row.scan, row.outcome, kinds, () if row.reason else cells[row.cell]) for row in rows]
    rule = Suppressed(by="ignore.yaml:1", reason="no", status="ignored")
    found = merge(target, given)
    return [msgspec.structs.replace(one, suppressed=rule) if one.id in ignored else one for one in found]


def _row(cell, when, found, *, versions, digest, components) -> LedgerRow:
    target, scan = cell.split("/")
    fields = {"cell": cell, "target": target, "scan": scan, "references": (f"registry.example/{target}:1",)}
    fields |= {"owners": ("team",), "digest": f"sha256:{target}", "platform": "linux/amd64"}
    if isinstance(found, str) and found.startswith("skipped: "):
        return LedgerRow(outcome=Outcome.SKIPPED, reason=found.removeprefix("skipped: "), **fields)
    fields |= {"attempts": 1, "started": spell_time(when), "finished": spell_time(when)}
    if isinstance(found, str):
        return LedgerRow(outcome=Outcome.FAILED, reason=found, **fields)
    return LedgerRow(
        outcome=Outcome.OK,
        findings=len(found),
        components=components,
        scanner="grype",
        scanner_version=versions[0],
        database_version=versions[1],
        report_digest=digest or f"sha256:{hash(tuple(map(encode, found)))}",
        **fields,
    )


def rows_of(url: str) -> dict[str, list[tuple]]:
    """Every table's rows, with what they refer to in place of ids, so that equal contents are equal.

    Not those of events, which tell how it came to be so.
    """
    engine = make_engine(parse_url(url))
    found: dict[str, list[dict]] = {}
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            if table in (events, event_counter):
                continue
            found[table.name] = [dict(row) for row in connection.execute(select(table)).mappings()]
    engine.dispose()
    names = {("runs", row["id"]): row["run"] for row in found["runs"]}
    names |= {("targets", row["id"]): row["target"] for row in found["targets"]}
    names |= {("facts", row["id"]): row["digest"] for row in found["facts"]}
    names |= {("states", row["id"]): f"{names['targets', row['target_id']]}/{row['scan']}" for row in found["states"]}
    names |= {("workloads", row["id"]): row["name"] for row in found["workloads"]}
    names |= {("tags", row["id"]): f"{row['reference']} {row['platform']}" for row in found["tags"]}
    return {
        name: sorted(
            (tuple(str(_named(key, value, names)) for key, value in row.items() if key not in {"id", "ledger_stamp"}))
            for row in rows
        )
        for name, rows in found.items()
    }


def unmarked(url: str) -> list[tuple[str, str]]:
    """Targets and scans that have findings, and are kept as if they never had any."""
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        query = (
            "SELECT targets.target, states.scan FROM states JOIN targets ON targets.id = states.target_id"
            " WHERE ever_found = 0 AND EXISTS (SELECT 1 FROM findings WHERE findings.state_id = states.id)"
        )
        found = [(row.target, row.scan) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def things_of(url: str) -> tuple[dict[str, int], dict[str, int]]:
    """How many things each target has: as it is kept with the target, and as one counts them."""
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        kept = {row.target: row.things for row in connection.execute(text("SELECT target, things FROM targets"))}
        query = (
            "SELECT targets.target, facts.identity FROM findings JOIN states ON states.id = findings.state_id"
            " JOIN targets ON targets.id = states.target_id JOIN facts ON facts.id = findings.fact_id"
            " WHERE findings.gone_at = 0"
        )
        found: dict[str, set[str]] = {target: set() for target in kept}
        for target, identity in connection.execute(text(query)):
            found[target].add(identity)
    engine.dispose()
    return kept, {target: len(things) for target, things in found.items()}


def _named(key: str, value, names):
    if not key.endswith("_id") or value is None:
        return value
    kind = key.removesuffix("_id").rpartition("_")[2]
    return names[f"{kind}s", value]
