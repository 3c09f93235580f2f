"""Which runs the store lacks: asked before every question, so it loads nothing that only an import needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from orchestrator.results.errors import NoResultsError
from orchestrator.store.reading import stamp
from orchestrator.store.schema import MERGED, runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.volume.layout import Volume


def lacking(connection: Connection, volume: Volume, names: Sequence[str]) -> list[str]:
    """Those of a volume's runs that the store does not have as their ledgers are now."""
    with connection.begin():
        rows = connection.execute(select(runs.c.run, runs.c.ledger_stamp, runs.c.pruned, runs.c.form))
        known = {row.run: row for row in rows}
    return [run for run in names if run not in known or not _has(known[run], volume, run)]


def _has(known: Row[*tuple[Any, ...]], volume: Volume, run: str) -> bool:
    try:
        return has(known, stamp(volume, run))
    except NoResultsError:  # removed just now: importing it will say so
        return False


def has(known: Row[*tuple[Any, ...]], mark: str) -> bool:
    """Whether a row of `runs` is of a run whose ledger has this `stamp`, or was emptied."""
    return bool(known.pruned or (known.ledger_stamp == mark and known.form == MERGED))
