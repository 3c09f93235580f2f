"""What the other sections of the report show: figures, owners, and everything that was not scanned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.exports.report.matrix import label
from orchestrator.exports.report.severities import NOTHING, WORST_FIRST, Counts, add
from orchestrator.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.exports.report.counting import ReportNumbers
    from orchestrator.exports.report.trend import Point
    from orchestrator.model import Ledger, LedgerRow

NOBODY = "(nobody)"
"""In place of an owner, for targets without one."""

_NAMED = 4


class Tile(NamedTuple):
    """One figure at the top.

    Attributes:
        kind: a severity, or what else it counts.
        value: the figure.
        change: against the run before, in words; empty where there is none to compare with.
        better: whether the change is for the better; None for no change.
    """

    kind: str
    value: int
    change: str = ""
    better: bool | None = None


class OwnerCount(NamedTuple):
    """What an owner answers for; a target of two owners counts for both."""

    owner: str
    targets: int
    counts: Counts
    failed: int


class UnscannedCells(NamedTuple):
    """Cells of one scan that ended the same way for the same reason.

    Attributes:
        outcome: failed or skipped.
        cells: number of cells.
        named: their targets, for people; at most a few.
    """

    outcome: str
    scan: str
    reason: str
    cells: int
    named: tuple[str, ...]


def figures(numbers: ReportNumbers, before: Point | None) -> list[Tile]:
    """Findings by severity and what changed since the run before; severities from `info` down are one figure."""
    old = before.counts if before is not None else None
    now = [*numbers.severities[:4], sum(numbers.severities[4:])]
    was = [*old[:4], sum(old[4:])] if old is not None else None
    kinds = [severity.value for severity in WORST_FIRST[:4]] + ["other"]
    return [
        _tile(kind, value, was[place] if was else None)
        for place, (kind, value) in enumerate(zip(kinds, now, strict=True))
    ]


def _tile(kind: str, value: int, was: int | None) -> Tile:
    if was is None:
        return Tile(kind, value)
    if value == was:
        return Tile(kind, value, "no change")
    return Tile(kind, value, f"{abs(value - was):,} {'fewer' if value < was else 'more'}", value < was)


def top_owners(ledger: Ledger, numbers: ReportNumbers, most: int = 20) -> tuple[list[OwnerCount], int]:
    """The owners with the worst findings, and how many there are beside them."""
    found: dict[str, OwnerCount] = {}
    failed: dict[str, int] = {}
    targets: dict[str, LedgerRow] = {}
    for row in ledger.rows:
        targets.setdefault(row.target, row)
        failed[row.target] = failed.get(row.target, 0) + (row.outcome is Outcome.FAILED)
    for target, row in targets.items():
        counts = numbers.targets.get(target, NOTHING)
        for owner in row.owners or (NOBODY,):
            known = found.get(owner, OwnerCount(owner, 0, NOTHING, 0))
            found[owner] = OwnerCount(
                owner, known.targets + 1, add(known.counts, counts), known.failed + failed[target]
            )
    order = sorted(found.values(), key=lambda each: ([-count for count in each.counts], -each.failed, each.owner))
    return order[:most], len(order[most:])


def unscanned(rows: Sequence[LedgerRow], most: int = 200) -> tuple[list[UnscannedCells], int]:
    """Every cell without a result that is believed, by scan and reason, failed and suspect ones first.

    Returns:
        At most `most` of them, and how many cells are left out.
    """
    groups: dict[tuple[bool, str, str], list[LedgerRow]] = {}
    for row in rows:
        if not row.holds:
            groups.setdefault((not row.fails, row.scan, row.suspect or row.reason), []).append(row)
    order = sorted(groups.items(), key=lambda pair: (pair[0][0], -len(pair[1]), pair[0]))
    shown = [
        UnscannedCells(
            "suspect" if of[0].suspect else of[0].outcome.value,
            scan,
            reason,
            len(of),
            tuple(label(row) for row in of[:_NAMED]),
        )
        for (_, scan, reason), of in order[:most]
    ]
    return shown, sum(len(of) for _, of in order[most:])


def notes(rows: Sequence[LedgerRow]) -> list[tuple[str, str, int]]:
    """What cells note (that a database was stale): scan, note, and number of cells."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.note:
            found[row.scan, row.note] = found.get((row.scan, row.note), 0) + 1
    return [(scan, note, count) for (scan, note), count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))]
