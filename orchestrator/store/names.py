"""Who answers for targets: their names' owners, and the workloads that run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from orchestrator.model import Name
from orchestrator.store.answers import answer
from orchestrator.store.catalogue import batches, clip, read_labels
from orchestrator.store.dialects import among, insert_new, upsert
from orchestrator.store.documents import StoredWorkload, Use
from orchestrator.store.schema import names, targets, workload_targets, workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

_KEY = ("cluster", "namespace", "kind", "name")


def names_of(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """References and owners of targets by their ids."""
    found: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
    for some in batches(ids):
        rows = select(names.c.target_id, names.c.reference, names.c.owner).where(
            among(connection, names.c.target_id, some)
        )
        for target, reference, owner in connection.execute(rows.order_by(names.c.reference, names.c.owner)):
            references, owners = found.setdefault(target, ({}, {}))
            references[reference] = None
            if owner:
                owners[owner] = None
    return {target: (tuple(references), tuple(owners)) for target, (references, owners) in found.items()}


def said_of(connection: Connection, target: int) -> tuple[Name, ...]:
    """Every name of a target with all that is said of it."""
    rows = connection.execute(
        select(names).where(names.c.target_id == target).order_by(names.c.reference, names.c.owner)
    )
    return tuple(
        Name(reference=row.reference, owner=row.owner, labels=labels)
        for row in rows
        for labels in read_labels(row.labels) or [{}]
    )


def uses_of(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[Use, ...]]:
    """Workloads that ran targets when their cluster was last looked at, by the targets' ids."""
    looked = select(workloads.c.cluster, func.max(workloads.c.last_at).label("at")).group_by(workloads.c.cluster)
    newest = looked.subquery()
    columns = [*(workloads.c[name] for name in _KEY), workloads.c.owner, workloads.c.contact]
    found: dict[int, list[Use]] = {}
    for some in batches(ids):
        query = (
            select(workload_targets.c.target_id, workload_targets.c.container, *columns)
            .join(workloads, workloads.c.id == workload_targets.c.workload_id)
            .join(newest, newest.c.cluster == workloads.c.cluster)
            .where(among(connection, workload_targets.c.target_id, some), workload_targets.c.last_at == newest.c.at)
            .order_by(*(workloads.c[name] for name in _KEY), workload_targets.c.container)
        )
        for row in connection.execute(query):
            found.setdefault(row.target_id, []).append(answer(Use, row))
    return {target: tuple(uses) for target, uses in found.items()}


def write_workloads(connection: Connection, found: Sequence[StoredWorkload], at: int) -> int:
    """See `Store.write_workloads`; within no transaction.

    Returns:
        Number of containers whose target the store does not know yet, and which are left out.
    """
    unknown = 0
    for some in batches(found):
        with connection.begin():
            rows = [{**_workload(each), "first_at": at, "last_at": at} for each in some]
            insert_new(connection, workloads, rows)
            upsert(connection, workloads, _KEY, rows)
            known = select(workloads).where(workloads.c.name.in_({each.name for each in some}))
            ids = {tuple(row[name] for name in _KEY): row["id"] for row in connection.execute(known).mappings()}
            mentioned = {container.target for each in some for container in each.containers}
            pairs = connection.execute(select(targets.c.target, targets.c.id).where(targets.c.target.in_(mentioned)))
            target_ids = {row.target: row.id for row in pairs}
            uses = {
                (
                    ids[_place(each)],
                    target_ids[container.target],
                    clip(container.name, 253),
                ): None
                for each in some
                for container in each.containers
                if container.target in target_ids
            }
            unknown += sum(container.target not in target_ids for each in some for container in each.containers)
            key = ("workload_id", "target_id", "container")
            made: list[dict[str, Any]] = [
                {**dict(zip(key, use, strict=True)), "first_at": at, "last_at": at} for use in uses
            ]
            upsert(connection, workload_targets, key, made)
    return unknown


def _place(each: StoredWorkload) -> tuple[Any, ...]:
    return each.cluster, each.namespace, each.kind, each.name


def _workload(each: StoredWorkload) -> dict[str, Any]:
    return {
        **dict(zip(_KEY, _place(each), strict=True)),
        "owner": clip(each.owner, 200),
        "contact": clip(each.contact, 200),
        "max_lifetime": each.max_lifetime,
    }
