"""The results of images: those that others put, those of our own scans, and the runs that brought them."""

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
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row


class PutResult(Document, frozen=True):
    """The result of an external scan that a target has now.

    Attributes:
        image: its name, as it was put.
        run: which brought it.
        digest: of the report.
    """

    image: str
    run: str
    digest: str


class ImageResult(Document, frozen=True):
    """The result that an image has now: what another tool put for it, or else the newest of our own scans.

    Attributes:
        target: its id.
        image: its name, as it was put.
        run: which brought the result.
        at: when it was put, or scanned.
        put: whether another tool put it.
    """

    target: str
    image: str
    run: str
    at: datetime | None
    put: bool


_QUERY = (
    select(targets.c.id, targets.c.reference, states.c.report_digest, runs.c.run)
    .join(states, states.c.target_id == targets.c.id)
    .join(runs, runs.c.id == states.c.ok_run_id)
)
_RESULTS = (
    select(targets.c.id, targets.c.target, targets.c.reference, states.c.scan, states.c.ok_at, runs.c.run)
    .join(states, states.c.target_id == targets.c.id)
    .join(runs, runs.c.id == states.c.ok_run_id)
    .where(states.c.ok_at > 0)
)
_NAMES = select(names.c.target_id, names.c.labels, names.c.last_at).order_by(names.c.last_at, names.c.id)


def put_result(connection: Connection, scan: str, target: str) -> PutResult | None:
    """What a target has by an external scan; None for nothing.

    Args:
        connection: to read by.
        scan: its name.
        target: id of the target.
    """
    query = _QUERY.where(states.c.scan == scan, targets.c.target == clip(target, 128))
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    image = _spelt(connection, [row.id]).get(row.id, row.reference)
    return PutResult(image, row.run, row.report_digest)


def image_results(connection: Connection, external: str, wanted: Iterable[int]) -> dict[int, ImageResult]:
    """The results of images, by the numbers of their targets; those without any are left out, and repositories.

    Args:
        connection: to read by.
        external: name of the scan whose results are put.
        wanted: numbers of targets.
    """
    newest: dict[int, Row[*tuple[Any, ...]]] = {}
    for row in rows_by(connection, states.c.target_id, wanted, _RESULTS):
        known = newest.get(row.id)
        if "://" not in row.reference and (known is None or _rank(row, external) > _rank(known, external)):
            newest[row.id] = row
    spelt = _spelt(connection, newest)
    return {
        number: ImageResult(
            target=row.target,
            image=spelt.get(number, row.reference) if row.scan == external else row.reference,
            run=row.run,
            at=when(row.ok_at),
            put=row.scan == external,
        )
        for number, row in newest.items()
    }


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


def _rank(row: Row[*tuple[Any, ...]], external: str) -> tuple[bool, int, str]:
    """What somebody put is what they expect to get; of our own scans, the newest."""
    return row.scan == external, row.ok_at, row.run


def _spelt(connection: Connection, wanted: Iterable[int]) -> dict[int, str]:
    """Targets' names as somebody spelt them who put their results."""
    spelt: dict[int, str] = {}
    for name in rows_by(connection, names.c.target_id, wanted, _NAMES):
        labels = msgspec.json.decode(name.labels or "{}", type=dict[str, str])
        if image := labels.get(IMAGE_ID):
            spelt[name.target_id] = image
    return spelt
