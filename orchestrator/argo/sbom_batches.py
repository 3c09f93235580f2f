"""Cells that read stored SBOMs, as Argo runs them: hundreds to a pod, one scan each.

A batch follows from the plan alone, so that a pod that knows its scan and its number knows its cells, in whichever
Workflow of the run, and whatever of it is done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypedDict

from orchestrator.argo.names import shard_number
from orchestrator.errors import UsageError
from orchestrator.model.plan import matched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.model import Cell, Plan

#: Most cells of a batch.
MOST_CELLS = 250


class SbomBatch(NamedTuple):
    """Cells of one scan that one pod runs, one after the other.

    Attributes:
        scan: name of their scan.
        number: among the batches of this scan, such as `001`.
        cells: in the plan's order.
    """

    scan: str
    number: str
    cells: tuple[Cell, ...]


class SbomItem(TypedDict):
    """One batch as Argo's `withItems` takes it; a node is named after it, so `batch` comes first.

    Attributes:
        batch: its number.
        cells: how many it has; for people only.
    """

    batch: str
    cells: str


def sbom_batches(plan: Plan) -> tuple[SbomBatch, ...]:
    """The batches of a plan, each scan's as even as they can be."""
    by_scan: dict[str, list[Cell]] = {}
    for cell in matched(plan):
        by_scan.setdefault(cell.scan, []).append(cell)
    return tuple(
        SbomBatch(scan, shard_number(number), tuple(cells[begin : begin + size]))
        for scan, cells in by_scan.items()
        for size in (_even(len(cells)),)
        for number, begin in enumerate(range(0, len(cells), size), start=1)
    )


def find_sbom_batch(plan: Plan, scan: str, number: str) -> SbomBatch:
    """One batch of a plan.

    Raises:
        UsageError: it has no such batch.
    """
    for batch in sbom_batches(plan):
        if (batch.scan, batch.number) == (scan, number):
            return batch
    raise UsageError(f"run {plan.run} has no batch {number!r} of cells of {scan} that read stored SBOMs")


def sbom_items(batches: Iterable[SbomBatch], scan: str) -> list[SbomItem]:
    """Those of one scan as items."""
    return [SbomItem(batch=each.number, cells=str(len(each.cells))) for each in batches if each.scan == scan]


def _even(count: int) -> int:
    """The size of the batches of this many cells."""
    several = -(-count // MOST_CELLS)
    return -(-count // several)
