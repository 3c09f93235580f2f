"""How each scan of targets stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from orchestrator.model import BomSource
from orchestrator.model.documents import spell_time
from orchestrator.store.answers import answer, outcome, when
from orchestrator.store.dialects import rows_by
from orchestrator.store.documents import ScanState, Version
from orchestrator.store.schema import cells, runs, states

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

_OF_OK = (cells.c.source_bom, cells.c.source_made_at, cells.c.source_cataloguer, cells.c.put_by)
_STATES = (
    select(states, runs.c.run, *_OF_OK)
    .outerjoin(runs, runs.c.id == states.c.last_run_id)
    .outerjoin(cells, and_(cells.c.state_id == states.c.id, cells.c.run_id == states.c.ok_run_id))
    .order_by(states.c.scan)
)


def scan_states(connection: Connection, targets: Iterable[int]) -> dict[int, dict[int, ScanState]]:
    """How the scans of targets stand, by the numbers of targets and of states; the scans in alphabetical order."""
    found: dict[int, dict[int, ScanState]] = {}
    for row in rows_by(connection, states.c.target_id, targets, _STATES):
        found.setdefault(row.target_id, {})[row.id] = _state(row)
    return found


def _state(row: Row[Any]) -> ScanState:
    return answer(
        ScanState,
        row,
        run=row.run or "",
        at=when(row.last_at),
        outcome=outcome(row.outcome),
        scanned=when(row.ok_at),
        version=Version(row.scanner_version, row.database_version),
        source=_source(row) if row.source_bom else None,
        put_by=row.put_by or "",
    )


def _source(row: Row[Any]) -> BomSource:
    made = when(row.source_made_at)
    return BomSource(bom=row.source_bom, made=spell_time(made) if made else "", cataloguer=row.source_cataloguer)
