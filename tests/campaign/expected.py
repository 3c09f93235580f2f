"""What a fault may do to the cells of a run: which of them, how they end, and what their reasons say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from orchestrator.model import Outcome

if TYPE_CHECKING:
    from orchestrator.model import Cell, LedgerRow, Plan

ALL = "*"


@dataclass(frozen=True)
class Expected:
    """What may become of the cells of a run; those that the fault does not touch end ok.

    Attributes:
        touched: glob of `<image>/<scan>`; empty for none.
        must_fail: whether each touched cell has to fail; otherwise it may end ok as well.
        reasons: regular expressions, one of which is in the reason of each cell that failed.
        mended: whether the same run ends whole when it is run again without the fault.
        remains: globs of paths that may stay on the volume, by its documentation.
    """

    touched: str = ""
    must_fail: bool = False
    reasons: tuple[str, ...] = ()
    mended: bool = True
    remains: tuple[str, ...] = field(default=())

    def complaints(self, plan: Plan, cell: Cell, row: LedgerRow) -> list[str]:
        """What is wrong with the end of one cell."""
        name = name_of(plan, cell)
        touched = fnmatchcase(name, self.touched)
        if row.outcome is Outcome.OK:
            return [f"{name}: is ok, although the fault touches it"] if touched and self.must_fail else []
        if row.outcome is Outcome.SKIPPED:
            return [f"{name}: is skipped: {row.reason}"]
        if not touched:
            return [f"{name}: failed, although the fault does not touch it: {row.reason}"]
        if not any(re.search(each, row.reason) for each in self.reasons):
            return [f"{name}: its reason is not that of the fault: {row.reason!r}"]
        return []


UNDISTURBED = Expected()
"""Every cell ends ok."""


def name_of(plan: Plan, cell: Cell) -> str:
    """`<image>/<scan>` of a cell, as people call them."""
    reference = plan.targets_by_id[cell.target].names[0].reference
    return f"{reference.rpartition('/')[2].partition('@')[0].partition(':')[0].removesuffix('.tar')}/{cell.scan}"
