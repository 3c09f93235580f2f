"""Throwing away what is too old to be asked for, a bounded number of rows in each transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, exists, literal_column, or_, select, tuple_, update

from orchestrator.store.backlog.tables import wanted, wanted_targets
from orchestrator.store.documents import Pruned
from orchestrator.store.events.recording import recording
from orchestrator.store.quiet import count_again
from orchestrator.store.schema import (
    boms,
    cells,
    fact_ids,
    facts,
    findings,
    names,
    run_tags,
    runs,
    scores,
    states,
    tags,
    target_digests,
    targets,
    workload_targets,
    workloads,
)

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

_BATCH = 5000


def prune(connection: Connection, before: int) -> Pruned:
    """Delete what ended before a moment; see `Store.prune`.

    Args:
        connection: of the only writer, outside of a transaction.
        before: seconds since 1970.
    """
    gone = _delete(connection, findings, and_(findings.c.gone_at > literal_column("0"), findings.c.gone_at < before))
    with connection.begin():
        # What their cells were is not what is left of them; before any is gone, for this may be ended at any time.
        old = or_(runs.c.begin_at < before, runs.c.finished_at < before)
        connection.execute(update(runs).where(old).values(extent=None, names_digest=""))
    standing = exists().where(
        states.c.id == cells.c.state_id,
        or_(states.c.last_run_id == cells.c.run_id, states.c.ok_run_id == cells.c.run_id),
    )
    old_cells = _delete(connection, cells, and_(cells.c.at < before, ~standing))
    with connection.begin():
        emptied = connection.execute(
            update(runs)
            # One that is half imported again is no old run yet: it would never be whole.
            .where(
                runs.c.finished_at < before,
                runs.c.finished_at > 0,
                runs.c.ledger_digest != "",
                runs.c.pruned.is_(False),
            )
            .values(pruned=True)
        ).rowcount
    others = _delete(connection, workload_targets, workload_targets.c.last_at < before)
    used = exists().where(workload_targets.c.workload_id == workloads.c.id)
    others += _delete(connection, workloads, and_(workloads.c.last_at < before, ~used))
    old_states = _prune_states(connection, before)
    # Names of runs, where no cell of theirs is left that says how a target stands.
    told = exists().where(
        cells.c.run_id == run_tags.c.run_id, cells.c.state_id == states.c.id, states.c.target_id == run_tags.c.target_id
    )
    ended = exists().where(runs.c.id == run_tags.c.run_id, runs.c.finished_at < before)
    others += _delete(connection, run_tags, and_(ended, ~told))
    _delete(connection, tags, ~exists().where(run_tags.c.tag_id == tags.c.id))
    others += _delete(connection, names, names.c.last_at < before)
    users = (states.c.target_id, workload_targets.c.target_id, wanted_targets.c.target_id)
    idle = and_(*(~exists().where(user == targets.c.id) for user in users))
    old_targets = 0
    while some := _ids(connection, targets, and_(targets.c.last_at < before, idle)):
        with connection.begin():
            for table in (names, run_tags, target_digests):
                connection.execute(delete(table).where(table.c.target_id.in_(some)))
            old_targets += connection.execute(delete(targets).where(targets.c.id.in_(some))).rowcount
    pruned = Pruned(
        findings=gone,
        cells=old_cells,
        runs=emptied,
        states=old_states,
        targets=old_targets,
        facts=_prune_facts(connection),
    )
    if any((gone, old_cells, emptied, old_states, old_targets, others)):
        with recording(connection) as events:
            events.store("what is kept")
    return pruned


def _prune_states(connection: Connection, before: int) -> int:
    """Targets and scans that no run has had since, unless a workload runs the target, or it should be kept fresh."""
    run_somewhere = exists().where(workload_targets.c.target_id == states.c.target_id)
    is_wanted = exists().where(wanted.c.state_id == states.c.id)
    count = 0
    while some := _ids(
        connection, states, and_(states.c.last_at < before, states.c.last_at > 0, ~run_somewhere, ~is_wanted)
    ):
        with connection.begin():
            of_these = select(states.c.target_id).where(states.c.id.in_(some)).distinct()
            moved = dict.fromkeys(connection.scalars(of_these))
            for table in (findings, cells, boms):
                connection.execute(delete(table).where(table.c.state_id.in_(some)))
            count += connection.execute(delete(states).where(states.c.id.in_(some))).rowcount
            count_again(connection, moved)
    return count


def _prune_facts(connection: Connection) -> int:
    count = 0
    unused = ~exists().where(findings.c.fact_id == facts.c.id)
    while some := _ids(connection, facts, unused):
        with connection.begin():
            connection.execute(delete(fact_ids).where(fact_ids.c.fact_id.in_(some)))
            count += connection.execute(delete(facts).where(facts.c.id.in_(some))).rowcount
    _delete(connection, scores, ~exists().where(fact_ids.c.name == scores.c.name))
    return count


def _ids(connection: Connection, table: Table, condition: ColumnElement[bool]) -> list[int]:
    with connection.begin():
        return list(connection.scalars(select(table.c.id).where(condition).limit(_BATCH)))


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    key: list[Any] = list(table.primary_key.columns)
    count = 0
    while True:
        with connection.begin():
            some = connection.execute(select(*key).where(condition).limit(_BATCH)).all()
            if not some:
                return count
            picked = key[0].in_([row[0] for row in some]) if len(key) == 1 else tuple_(*key).in_(list(map(tuple, some)))
            count += connection.execute(delete(table).where(picked)).rowcount
