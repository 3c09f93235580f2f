"""Writing down what shall be kept fresh, and forgetting what no source names any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select, update

from orchestrator.results.store.backlog.tables import NEVER, wanted, wanted_targets
from orchestrator.results.store.catalogue import batches, clip, write_states, write_targets
from orchestrator.results.store.dialects import among, insert_new, upsert
from orchestrator.results.store.schema import states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from orchestrator.results.store.backlog.interface import Wanted


def want(connection: Connection, rows: Sequence[Wanted], look: int, now: int) -> int:
    """Have these targets wanted from now on.

    Args:
        connection: of the only writer, outside of a transaction.
        rows: no target twice.
        look: number of the look at the sources that found them.
        now: seconds since 1970.

    Returns:
        Number of cells that were not wanted before, all of them not due until that is reckoned.
    """
    new = 0
    for some in batches(rows):
        described = {row.target: row for row in some}
        ids = write_targets(connection, described, {row.target: row.names for row in some}, now)
        pairs = [(ids[row.target], scan) for row in some for scan in row.scans]
        write_states(connection, pairs)
        with connection.begin():
            of_targets = [{"target_id": ids[row.target], "owner": _owner(row), "entries": row.entries} for row in some]
            upsert(connection, wanted_targets, ("target_id",), of_targets)
            new += _want_cells(connection, pairs, look)
    return new


def _want_cells(connection: Connection, pairs: Sequence[tuple[int, str]], look: int) -> int:
    asked = set(pairs)
    found = select(states.c.id, states.c.target_id, states.c.scan).where(
        among(connection, states.c.target_id, list({target for target, _ in pairs}))
    )
    cells = {row.id: row.target_id for row in connection.execute(found) if (row.target_id, row.scan) in asked}
    new = 0
    for some in batches(cells):
        known = set(
            connection.scalars(select(wanted.c.state_id).where(among(connection, wanted.c.state_id, some))).all()
        )
        fresh = {"look": look, "due_at": NEVER, "submission_id": 0, "refusals": 0, "tried_at": 0, "refusal": ""}
        rows = [{"state_id": id_, "target_id": cells[id_], **fresh} for id_ in some if id_ not in known]
        insert_new(connection, wanted, rows)
        new += len(rows)
        if known:
            connection.execute(
                update(wanted).where(among(connection, wanted.c.state_id, list(known))).values(look=look)
            )
    return new


def forget(connection: Connection, look: int) -> int:
    """Want no longer what the last whole look at the sources has not named, unless a run has it in hand.

    Args:
        connection: of the only writer, outside of a transaction.
        look: number of that look.

    Returns:
        Number of cells.
    """
    with connection.begin():
        gone = connection.execute(delete(wanted).where(wanted.c.look < look, wanted.c.submission_id == 0)).rowcount
        still = exists().where(wanted.c.target_id == wanted_targets.c.target_id)
        connection.execute(delete(wanted_targets).where(~still))
        # Nothing is known of what was never tried.
        wanted_state = exists().where(wanted.c.state_id == states.c.id)
        untried = (states.c.last_at == 0, states.c.outcome == "", states.c.last_run_id.is_(None))
        connection.execute(delete(states).where(*untried, ~wanted_state))
    return gone


def _owner(row: Wanted) -> str:
    """Whose turn it takes: the first owner of its names."""
    return clip(min((name.owner for name in row.names if name.owner), default=""), 200)
