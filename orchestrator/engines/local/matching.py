"""Cells that read stored SBOMs: run before anything is pulled, and on the image itself where that fails."""

import logging
from collections.abc import Callable, Mapping

import msgspec

from orchestrator.engines.local.crew import each
from orchestrator.engines.stop import INTERRUPTED, Stop
from orchestrator.model import Cell, CellRecord, Plan
from orchestrator.planning.batches import Batches, batches, cut

_log = logging.getLogger(__name__)

Waiting = dict[str, list[Cell]]
"""Cells that have not ended, by the id of their target."""


def match_sboms(
    waiting: Mapping[str, list[Cell]],
    run: Callable[[Cell], CellRecord | None],
    end: Callable[[Cell, CellRecord], None],
    *,
    limit: int,
    stop: Stop,
) -> Waiting:
    """Run the cells that read stored SBOMs.

    Args:
        waiting: the cells that have not ended.
        run: runs one; None where it was not begun, because somebody interrupted the run.
        end: counts one that ended.
        limit: how many at the same time.
        stop: of the run.

    Returns:
        The cells that are left: those that read no SBOM, and those to which theirs was of no use, now without one.
    """
    failed: dict[str, Cell] = {}

    def match(cell: Cell) -> None:
        record = run(cell)
        if record is None:
            return
        if not record.error or record.error == INTERRUPTED or stop.reason():
            end(cell, record)
            return
        failed[cell.id] = from_image(cell, record)

    cells = [cell for of_target in waiting.values() for cell in of_target if cell.source is not None]
    each(cells, match, limit=limit, interrupt=stop.interrupt)
    return {
        target: [failed.get(cell.id, cell) for cell in of_target if cell.source is None or cell.id in failed]
        for target, of_target in waiting.items()
    }


def from_image(cell: Cell, record: CellRecord) -> Cell:
    """A cell whose stored SBOM was of no use, as its record says, to be run on the image itself."""
    _log.warning("%s is scanned from the image itself: %s", cell.id, record.error)
    return msgspec.structs.replace(cell, source=None)


def batches_of(plan: Plan, waiting: Mapping[str, list[Cell]]) -> Batches:
    """The batches of a plan, and those of images that it did not mean to pull."""
    found = batches(plan)
    planned = {target for batch in found for target in batch}
    further = {
        target: [cell.scan for cell in cells] for target, cells in waiting.items() if cells and target not in planned
    }
    return (*found, *cut(plan, further))
