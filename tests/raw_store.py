"""A database as version 0.1 left it: tables of revision 0005, with what each scanner reported."""

from datetime import datetime

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from orchestrator.store import migration
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.reading import read_run
from orchestrator.store.sessions import writing_alone
from orchestrator.volume.layout import Volume

_STATE = {"outcome": "ok", "reason": "", "failures": 0, "scanner": "grype", "scanner_version": "1"}
_STATE |= {"database_version": "db", "report_digest": "sha256:old", "scanner_image": ""}


def write_raw_store(url: str, volume: Volume, runs: dict[str, datetime], cell: str, ids: list[str]) -> None:
    """Make it, with runs that all have one ok cell, and these findings in it from the first of them on.

    Args:
        url: of an empty database.
        volume: where the runs that are still there lie; their ledgers' digests are taken from it.
        runs: when each ended, by id, in their order.
        cell: `target/scan`.
        ids: of the findings.
    """
    engine = make_engine(parse_url(url))
    with writing_alone(engine, patience=9) as connection:
        config = Config()
        config.set_main_option("script_location", str(migration._SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.commit()
        with connection.begin():
            _write(connection, volume, runs, cell, ids)
    engine.dispose()


def _write(connection: Connection, volume: Volume, runs: dict[str, datetime], cell: str, ids: list[str]) -> None:
    # The database numbers the rows of each table from 1, and continues from there.
    target, scan = cell.split("/")
    moments = {run: int(when.timestamp()) for run, when in runs.items()}
    first, last = min(moments.values()), max(moments.values())
    numbers = {run: number for number, run in enumerate(runs, 1)}
    reference = f"registry.example/{target}:1"
    times = {"first_at": first - 3600, "last_at": last}
    described = {"digest": f"sha256:{target}", "platform": "linux/amd64", "reference": reference}
    _insert(connection, "targets", target=target, **described, **times)
    _insert(connection, "names", target_id=1, reference=reference, owner="team", labels="{}", **times)
    newest = numbers[list(runs)[-1]]
    state = {"last_run_id": newest, "last_at": last, "ok_run_id": newest, "ok_at": last, "findings": len(ids)}
    _insert(connection, "states", target_id=1, scan=scan, suspect="", suspect_at=0, **state, **_STATE)
    for run, at in moments.items():
        digest = read_run(volume, run).digest if (volume.results(run) / "ledger.json").exists() else "sha256:gone"
        row = {"ledger_digest": digest, "ledger_stamp": "0:0", "passed": True, "pruned": False}
        _insert(connection, "runs", run=run, created_at=at - 3600, finished_at=at, **row)
        of_cell = {"attempts": 1, "started_at": at, "findings": len(ids), "note": "", "log": "", **_STATE}
        of_cell.pop("failures")
        _insert(connection, "cells", state_id=1, run_id=numbers[run], at=at, **of_cell)
    empty = dict.fromkeys(("title", "purl", "location", "fixed_version", "cvss_version", "cvss_vector", "place"), "")
    for number, id_ in enumerate(ids, 1):
        said = {"digest": f"{number:032}", "identity": f"{number:032}", "kind": "vulnerability", "severity": 5}
        _insert(connection, "facts", name=id_, package=f"p{number}", version="1", **said, **empty)
        _insert(connection, "fact_ids", name=id_, fact_id=number, own=True)
        span = {"first_run_id": numbers[next(iter(runs))], "first_at": first, "last_at": 0, "gone_at": 0}
        _insert(connection, "findings", state_id=1, fact_id=number, **span)


def _insert(connection: Connection, table: str, **row) -> None:
    names = ", ".join(row)
    places = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({places})"), row)
