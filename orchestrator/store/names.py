"""Who answers for targets: their names' owners, and the workloads that run them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, func, select

from orchestrator.model import Name
from orchestrator.store.answers import answer
from orchestrator.store.columns import clip
from orchestrator.store.dialects import among, batches, insert_new, move_back, rows_by, upsert
from orchestrator.store.documents import StoredWorkload, Use
from orchestrator.store.events.recording import recording
from orchestrator.store.schema import LONGEST_NAME, names, targets, workload_targets, workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

_KEY = ("cluster", "namespace", "kind", "name")
_PLACE = tuple(workloads.c[name] for name in _KEY)
_SPELT = select(names.c.target_id, names.c.reference, names.c.owner).order_by(names.c.reference, names.c.owner)
_LOOKED = (
    select(workloads.c.cluster, func.max(workloads.c.last_at).label("at")).group_by(workloads.c.cluster).subquery()
)
_USES = (
    select(workload_targets.c.target_id, workload_targets.c.container, *_PLACE, workloads.c.owner, workloads.c.contact)
    .join(workloads, workloads.c.id == workload_targets.c.workload_id)
    .join(_LOOKED, _LOOKED.c.cluster == workloads.c.cluster)
    .where(workload_targets.c.last_at == _LOOKED.c.at)
    .order_by(*_PLACE, workload_targets.c.container)
)
_WORKLOADS = select(names.c.target_id, names.c.workload).where(names.c.workload != "")
# Bytes of the labels of one name: MySQL's TEXT ends at 64 KiB.
_MOST_LABELS = 60_000


def write_names(
    connection: Connection, given: Mapping[int, Sequence[Name]], created: int, *, whole: bool = True
) -> None:
    """Bring the names of targets up to date, within a transaction.

    Of a reference and owner the newest plan says which labels and workloads there are.

    Args:
        connection: of the only writer.
        given: all names of each target.
        created: when the plan was made that has them.
        whole: whether these are all; otherwise what is known stays beside them.
    """
    known: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for row in connection.execute(select(names).where(among(connection, names.c.target_id, list(given)))).mappings():
        known.setdefault((row["target_id"], row["reference"], row["owner"]), []).append(dict(row))
    told: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for target, of_target in given.items():
        for made in {name.key: _row(target, name, created) for name in of_target}.values():
            told.setdefault((target, made["reference"], made["owner"]), []).append(made)
    rows: list[dict[str, Any]] = []
    for place, new in told.items():
        rows += _newest(known.get(place, []), new, whole=whole)
    before = {(row["target_id"], row["digest"]): row for place in told for row in known.get(place, [])}
    after = {(row["target_id"], row["digest"]): row for row in rows}
    for some in batches([row["id"] for place, row in before.items() if place not in after]):
        connection.execute(delete(names).where(among(connection, names.c.id, some)))
    insert_new(connection, names, [row for place, row in after.items() if place not in before])
    upsert(connection, names, ("target_id", "digest"), [row for place, row in after.items() if place in before])
    late = [place for place in after.keys() & before.keys() if after[place]["first_at"] < before[place]["first_at"]]
    move_back(connection, names.c.id, [{**after[place], "id": before[place]["id"]} for place in late])


def _newest(old: Sequence[Mapping[str, Any]], new: Sequence[dict[str, Any]], *, whole: bool) -> list[dict[str, Any]]:
    """What is to be known of one reference and owner: rows of the newest plan, dated by all plans."""
    dates = {
        "first_at": min(row["first_at"] for row in (*old, *new)),
        "last_at": max(row["last_at"] for row in (*old, *new)),
    }
    kept = [{name: row[name] for name in new[0]} for row in old]
    if not whole:
        return [{**row, **dates} for row in (*new, *kept)]
    rows = max([new, kept], key=_rank) if kept else new
    return [{**row, **dates} for row in rows]


def _rank(rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Which of two plans counts: the newer; of two of one second always the same one, whichever comes first."""
    return max(row["last_at"] for row in rows), -len(rows), sorted(row["digest"] for row in rows)


def _row(target: int, name: Name, at: int) -> dict[str, Any]:
    return {
        "target_id": target,
        "reference": clip(name.reference, LONGEST_NAME),
        "owner": clip(name.owner, 200),
        "labels": _spell_labels(name.labels),
        "workload": clip(name.workload, LONGEST_NAME),
        "digest": hashlib.blake2b(msgspec.json.encode(name.key), digest_size=16).hexdigest(),
        "first_at": at,
        "last_at": at,
    }


def _spell_labels(labels: Mapping[str, str]) -> str:
    """Labels as JSON; of more than a database's text holds, as many whole ones as fit, the shortest first."""
    text = msgspec.json.encode(labels, order="sorted")
    kept = dict(labels)
    if len(text) > _MOST_LABELS:
        left = _MOST_LABELS
        for label in sorted(labels, key=lambda each: (len(each) + len(labels[each]), each)):
            left -= len(msgspec.json.encode({label: labels[label]}))
            if left < 0:
                del kept[label]
        text = msgspec.json.encode(kept, order="sorted")
    return text.decode()


def _read_labels(text: str) -> dict[str, str]:
    """The same back; none where an earlier version cut them off in the middle."""
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def names_of(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """References and owners of targets by their ids."""
    found: dict[int, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows_by(connection, names.c.target_id, ids, _SPELT):
        references, owners = found.setdefault(row.target_id, ({}, {}))
        references[row.reference] = None
        if row.owner:
            owners[row.owner] = None
    return {target: (tuple(references), tuple(owners)) for target, (references, owners) in found.items()}


def said_of(connection: Connection, target: int) -> tuple[Name, ...]:
    """Every name of a target with all that is said of it."""
    rows = connection.execute(
        select(names).where(names.c.target_id == target).order_by(names.c.reference, names.c.owner, names.c.labels)
    )
    return tuple(Name(reference=row.reference, owner=row.owner, labels=_read_labels(row.labels)) for row in rows)


def workloads_of(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """What runs targets as `<cluster>/<namespace>/<kind>/<name>`, in alphabetical order: by plans, and `uses_of`."""
    found: dict[int, set[str]] = {}
    ids = tuple(ids)
    for row in rows_by(connection, names.c.target_id, ids, _WORKLOADS):
        found.setdefault(row.target_id, set()).add(row.workload)
    for target, uses in uses_of(connection, ids).items():
        found.setdefault(target, set()).update(f"{use.cluster}/{use.namespace}/{use.kind}/{use.name}" for use in uses)
    return {target: tuple(sorted(workloads)) for target, workloads in found.items()}


def uses_of(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[Use, ...]]:
    """Workloads that ran targets when their cluster was last looked at, by the targets' ids."""
    found: dict[int, list[Use]] = {}
    for row in rows_by(connection, workload_targets.c.target_id, ids, _USES):
        found.setdefault(row.target_id, []).append(answer(Use, row))
    return {target: tuple(uses) for target, uses in found.items()}


def write_workloads(connection: Connection, found: Sequence[StoredWorkload], at: int) -> int:
    """See `Store.write_workloads`; within no transaction.

    Returns:
        Number of containers whose target the store does not know yet, and which are left out.
    """
    unknown = 0
    for some in batches(found):
        with recording(connection) as events:
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
            events.store("workloads")
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
