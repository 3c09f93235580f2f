"""What is otherwise than it was at a moment: the same differences, by what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.model import Document
from orchestrator.queries.difference import Difference, Still, since
from orchestrator.queries.difference.explain import FIXED, NEW, UNSCANNED
from orchestrator.store.documents import Unscanned  # noqa: TC001 - msgspec reads the annotations
from orchestrator.store.unscanned import unscanned

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.store.past import StoreReader


class StoreChanges(Document, frozen=True):
    """What is otherwise than it was then.

    Attributes:
        new: findings there now, and not then.
        fixed: findings there then, and not now.
        changed: there then and now, but otherwise; see `Difference.altered`.
        still: number of findings there then and now, the changed ones too.
        unscanned: targets and scans that no run has had since; what they last found may still be there.
    """

    new: tuple[Difference, ...]
    fixed: tuple[Difference, ...]
    changed: tuple[Difference, ...]
    still: int
    unscanned: tuple[Unscanned, ...]


def changes(past: StoreReader, moment: datetime) -> StoreChanges:
    """What is otherwise than at a moment, with a time zone."""
    new, fixed, changed, still = [], [], [], Still()
    for row in since(past, moment, still=still) if past.runs else ():
        if row.status == NEW:
            new.append(row)
        elif row.status == FIXED:
            fixed.append(row)
        elif row.status != UNSCANNED:
            changed.append(row)
    return StoreChanges(
        new=tuple(new),
        fixed=tuple(fixed),
        changed=tuple(changed),
        still=still.things + len(changed),
        unscanned=unscanned(past, int(moment.timestamp())),
    )
