"""Results that others put: of which targets there is one, and the runs that brought them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from orchestrator.model import Document
from orchestrator.model.labels import IMAGE_ID
from orchestrator.store.answers import when
from orchestrator.store.columns import clip
from orchestrator.store.dialects import rows_by
from orchestrator.store.schema import LONGEST_NAME, cells, names, runs, states, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row, Select


class PutResult(Document, frozen=True):
    """The result of an external scan that a target has now.

    Attributes:
        number: of the target, by which results are in order.
        target: its id.
        image: its name, as it was put.
        run: which brought it.
        at: when it was put.
        digest: of the report.
        by: who put it.
    """

    number: int
    target: str
    image: str
    run: str
    at: datetime | None
    digest: str
    by: str = ""


_QUERY = (
    select(
        targets.c.id, targets.c.target, targets.c.reference, states.c.ok_at, states.c.report_digest, runs.c.run,
        cells.c.put_by,
    )
    .join(states, states.c.target_id == targets.c.id)
    .join(runs, runs.c.id == states.c.ok_run_id)
    .join(cells, (cells.c.state_id == states.c.id) & (cells.c.run_id == states.c.ok_run_id))
)  # fmt: skip
_NAMES = select(names.c.target_id, names.c.labels, names.c.last_at).order_by(names.c.last_at, names.c.id)


def put_result(connection: Connection, scan: str, target: str) -> PutResult | None:
    """What a target has by an external scan; None for nothing.

    Args:
        connection: to read by.
        scan: its name.
        target: id of the target.
    """
    query = _QUERY.where(states.c.scan == scan, targets.c.target == clip(target, 128))
    return next(iter(_results(connection, connection.execute(query).all())), None)


def put_results(connection: Connection, scan: str, after: int, limit: int) -> tuple[PutResult, ...]:
    """What targets have by an external scan, in the order of their numbers, found by an index.

    Args:
        connection: to read by.
        scan: its name.
        after: number of the target before the first.
        limit: most of them.
    """
    return tuple(_results(connection, connection.execute(results_after(scan, after, limit)).all()))


def results_after(scan: str, after: int, limit: int) -> Select[Any]:
    """The results of a scan after a target, by the targets' numbers."""
    return _QUERY.where(states.c.scan == scan, states.c.target_id > after).order_by(states.c.target_id).limit(limit)


def runs_that_put(connection: Connection, scan: str, target: str) -> tuple[str, ...]:
    """Every run that brought a result of a target by an external scan."""
    query = (
        select(runs.c.run)
        .join(cells, cells.c.run_id == runs.c.id)
        .join(states, states.c.id == cells.c.state_id)
        .join(targets, targets.c.id == states.c.target_id)
        .where(states.c.scan == scan, targets.c.target == clip(target, 128))
    )
    return tuple(connection.scalars(query.order_by(runs.c.run)))


def runs_since(connection: Connection, target: str, moment: int) -> tuple[str, ...]:
    """The runs that brought a result of a target at a moment, or after it.

    Args:
        connection: to read by.
        target: its id.
        moment: seconds since 1970.
    """
    query = (
        select(runs.c.run)
        .join(cells, cells.c.run_id == runs.c.id)
        .join(states, states.c.id == cells.c.state_id)
        .join(targets, targets.c.id == states.c.target_id)
        .where(targets.c.target == clip(target, 128), cells.c.at >= moment)
    )
    return tuple(connection.scalars(query.distinct().order_by(runs.c.run)))


def targets_called(connection: Connection, reference: str) -> tuple[str, ...]:
    """The targets that have, or had, a name."""
    query = select(targets.c.target).join(names, names.c.target_id == targets.c.id)
    return tuple(connection.scalars(query.where(names.c.reference == clip(reference, LONGEST_NAME)).distinct()))


def _results(connection: Connection, rows: Sequence[Row[*tuple[object, ...]]]) -> Iterable[PutResult]:
    spelt: dict[int, str] = {}
    for name in rows_by(connection, names.c.target_id, [row.id for row in rows], _NAMES):
        labels = msgspec.json.decode(name.labels or "{}", type=dict[str, str])
        if image := labels.get(IMAGE_ID):
            spelt[name.target_id] = image
    for row in rows:
        yield PutResult(
            number=row.id,
            target=row.target,
            image=spelt.get(row.id, row.reference),
            run=row.run,
            at=when(row.ok_at),
            digest=row.report_digest,
            by=row.put_by,
        )
