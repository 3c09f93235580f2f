"""Why cells are not ok, or do not run: each reason once, with the cells that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.cli.shortening import shorten
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table, print_text, room

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Reasons that a terminal shows, targets that are named of each, and cells that a name takes at most.
_REASONS, _TARGETS, _NAME = 30, 5, 60


class CellReason(NamedTuple):
    """A cell, and what there is to say of it.

    Attributes:
        mark: how it ended, or its letter in a plan.
        target: id of its target.
        name: of the target, for people.
    """

    mark: str
    reason: str
    target: str
    name: str
    scan: str


def print_reasons(title: str, cells: Iterable[CellReason], mark: str) -> None:
    """A line for each mark and reason, with the number of cells and some of them; nothing when there are none.

    Args:
        title: above it.
        cells: each with its reason.
        mark: heading of the marks.
    """
    alike: dict[tuple[str, str], list[CellReason]] = {}
    for cell in cells:
        alike.setdefault((cell.mark, cell.reason), []).append(cell)
    if not alike:
        return
    most = len(alike) if room() is None else _REASONS
    shown = list(alike.items())[:most]
    first = [TableColumn(mark, coloured=True), TableColumn("Cells", Fit.NUMBER)]
    if room() is None:
        columns = [*first, TableColumn("Why", Fit.FOLD), TableColumn("Which", Fit.FOLD)]
        rows: list[list[TableCell]] = [[key[0], str(len(of)), key[1], "; ".join(_which(of))] for key, of in shown]
    else:
        columns = [*first, TableColumn("Why, and which", Fit.FOLD)]
        rows = [[key[0], str(len(of)), [key[1], *(f"- {line}" for line in _which(of))]] for key, of in shown]
    print_table(title, columns, rows)
    if len(alike) > most:
        print_text(f"… and {len(alike) - most} more reasons: --wide shows all")


def _which(cells: Sequence[CellReason]) -> list[str]:
    """Some cells in words, `sbom, virus: app:1, app:2 and 3 more`, a line for targets that have the scans in common."""
    scans: dict[str, list[str]] = {}
    for cell in cells:
        scans.setdefault(cell.target, []).append(cell.scan)
    names = {cell.target: cell.name for cell in cells}
    together: dict[tuple[str, ...], list[str]] = {}
    for target, those in scans.items():
        together.setdefault(tuple(those), []).append(names[target])
    groups = [(", ".join(those), of) for those, of in together.items()]
    left = sum(len(of) for _, of in groups[_TARGETS:])
    return [f"{those}: {_some(of)}" for those, of in groups[:_TARGETS]] + ([f"and {left} more targets"] if left else [])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TARGETS} more" if len(names) > _TARGETS else ""
    bound = room()
    return ", ".join(name if bound is None else shorten(name, _NAME) for name in names[:_TARGETS]) + more
