"""What is listed page by page, each in the order of an index, so that a page costs what is on it.

A position is the key of the last row; rows that come and go move no other row to another page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, or_, select

from orchestrator.model import Document
from orchestrator.store.dialects import rows_by
from orchestrator.store.schema import states, targets, workload_targets, workloads

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection, Select

#: Of a state: the number of its target, and its scan.
StateKey = tuple[int, str]


class StateRow(NamedTuple):
    """A target and scan: numbers of both, and the scan's name."""

    state: int
    target: int
    scan: str


class WorkloadPlace(Document, frozen=True):
    """A workload as the last look into its cluster found it.

    Attributes:
        number: by which workloads are in order.
        max_lifetime: seconds its images may be old; None for no limit.
        targets: ids of what its containers run.
    """

    number: int
    cluster: str
    namespace: str
    kind: str
    name: str
    owner: str = ""
    contact: str = ""
    max_lifetime: int | None = None
    targets: tuple[str, ...] = ()


def targets_after(after: int, limit: int) -> Select[tuple[int]]:
    """The numbers of targets after one, by the primary key."""
    return select(targets.c.id).where(targets.c.id > after).order_by(targets.c.id).limit(limit)


def states_after(after: StateKey, limit: int, scan: str = "") -> Select[tuple[int, int, str]]:
    """Targets and scans after one: of all scans by target and scan, of one by its targets.

    Args:
        after: number of the target and scan before the first.
        limit: most of them.
        scan: only of this one.
    """
    columns = select(states.c.id, states.c.target_id, states.c.scan).limit(limit)
    target, name = after
    if scan:
        return columns.where(states.c.scan == scan, states.c.target_id > target).order_by(states.c.target_id)
    later = or_(states.c.target_id > target, and_(states.c.target_id == target, states.c.scan > name))
    # The first condition is the one by which an index is entered.
    return columns.where(states.c.target_id >= target, later).order_by(states.c.target_id, states.c.scan)


def read_targets(connection: Connection, after: int, limit: int) -> list[int]:
    """See `targets_after`."""
    return list(connection.scalars(targets_after(after, limit)))


def having(connection: Connection, wanted: Collection[str]) -> set[str]:
    """Those of some targets that the database has, by their ids."""
    return {row.target for row in rows_by(connection, targets.c.target, wanted, select(targets.c.target))}


def read_states(connection: Connection, after: StateKey, limit: int, scan: str = "") -> list[StateRow]:
    """See `states_after`."""
    return [StateRow(row.id, row.target_id, row.scan) for row in connection.execute(states_after(after, limit, scan))]


def workloads_after(after: int, limit: int) -> Select[tuple[object, ...]]:
    """Workloads after one, by the primary key."""
    return select(workloads).where(workloads.c.id > after).order_by(workloads.c.id).limit(limit)


def read_workloads(connection: Connection, after: int, limit: int) -> tuple[WorkloadPlace, ...]:
    """A page of workloads, each with what it runs."""
    rows: Sequence[object] = connection.execute(workloads_after(after, limit)).all()
    runs = select(workload_targets.c.workload_id, targets.c.target).join(
        targets, targets.c.id == workload_targets.c.target_id
    )
    found: dict[int, set[str]] = {}
    for use in rows_by(connection, workload_targets.c.workload_id, [row.id for row in rows], runs):  # type: ignore[attr-defined]
        found.setdefault(use.workload_id, set()).add(use.target)
    return tuple(
        WorkloadPlace(
            row.id, row.cluster, row.namespace, row.kind, row.name, row.owner, row.contact, row.max_lifetime,  # type: ignore[attr-defined]
            tuple(sorted(found.get(row.id, ()))),  # type: ignore[attr-defined]
        )
        for row in rows
    )  # fmt: skip
