"""Taking whole runs out of the store again, because somebody deleted what they brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, delete, exists, select, update

from orchestrator.store.backlog.tables import wanted as wanted_cells
from orchestrator.store.backlog.tables import wanted_targets
from orchestrator.store.cells import CellWriter
from orchestrator.store.dialects import among
from orchestrator.store.events.recording import recording
from orchestrator.store.quiet import count_again
from orchestrator.store.schema import (
    boms,
    cells,
    findings,
    names,
    run_tags,
    runs,
    states,
    target_digests,
    targets,
    workload_targets,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from orchestrator.model import Distrust


def forget(connection: Connection, wanted: Sequence[str], distrusted: Sequence[Distrust] = ()) -> int:
    """See `StoreDatabase.forget`; a run at a time, each with its events in one transaction.

    Args:
        connection: of the only writer, outside of a transaction.
        wanted: ids of the runs.
        distrusted: which scanners are not believed.
    """
    return sum(_forget(connection, run, distrusted) for run in wanted)


def _forget(connection: Connection, run: str, distrusted: Sequence[Distrust]) -> int:
    with connection.begin():
        number = connection.scalar(select(runs.c.id).where(runs.c.run == run))
    if number is None:
        return 0
    writer = CellWriter(connection, run, number, {}, distrusted)
    with recording(connection) as events:
        own = connection.execute(select(cells).where(cells.c.run_id == number)).mappings()
        present = {row["state_id"]: dict(row) for row in own}
        of_run = connection.execute(select(states).where(states.c.id.in_(list(present)))).all()
        concerned = sorted({row.target_id for row in of_run})
        events.deleted(concerned)
        for row in of_run:
            writer.remove(writer.known(row), row.scan, present[row.id])
        connection.execute(delete(run_tags).where(run_tags.c.run_id == number))
        bare = and_(states.c.id.in_(list(present)), ~exists().where(cells.c.state_id == states.c.id))
        empty = list(connection.scalars(select(states.c.id).where(bare)))
        _forget_states(connection, empty)
        connection.execute(delete(boms).where(boms.c.run_id == number))
        count_again(connection, dict.fromkeys(concerned))
        _forget_targets(connection, concerned)
        connection.execute(delete(runs).where(runs.c.id == number))
    return 1


def forget_results(connection: Connection, wanted: Sequence[str]) -> int:
    """See `StoreDatabase.forget_results`; all of it in one transaction, with its events.

    Args:
        connection: of the only writer, outside of a transaction.
        wanted: ids of the targets.
    """
    with recording(connection) as events:
        concerned = list(connection.scalars(select(targets.c.id).where(targets.c.target.in_(list(wanted)))))
        of_targets = list(connection.scalars(select(states.c.id).where(states.c.target_id.in_(concerned))))
        if not of_targets:
            return 0
        events.deleted(concerned)
        of_runs = list(
            connection.scalars(select(cells.c.run_id).where(among(connection, cells.c.state_id, of_targets)).distinct())
        )
        _forget_states(connection, of_targets)
        connection.execute(delete(run_tags).where(run_tags.c.target_id.in_(concerned)))
        # What these runs were of is found out from their cells from now on.
        connection.execute(update(runs).where(among(connection, runs.c.id, of_runs)).values(extent=None))
        count_again(connection, dict.fromkeys(concerned))
        _forget_targets(connection, concerned)
    return len(of_targets)


def _forget_states(connection: Connection, gone: Sequence[int]) -> None:
    """What is known of some cells; what the scheduler keeps fresh it finds again at its next look at the sources."""
    for table in (findings, boms, cells, wanted_cells):
        connection.execute(delete(table).where(among(connection, table.c.state_id, gone)))
    connection.execute(delete(states).where(among(connection, states.c.id, gone)))


def _forget_targets(connection: Connection, concerned: Sequence[int]) -> None:
    """Targets of which nothing else is known."""
    users = (states.c.target_id, workload_targets.c.target_id, wanted_targets.c.target_id, run_tags.c.target_id)
    idle = and_(targets.c.id.in_(list(concerned)), *(~exists().where(user == targets.c.id) for user in users))
    gone = list(connection.scalars(select(targets.c.id).where(idle)))
    for table in (names, target_digests):
        connection.execute(delete(table).where(table.c.target_id.in_(gone)))
    connection.execute(delete(targets).where(targets.c.id.in_(gone)))
