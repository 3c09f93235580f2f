"""What one side says of each thing: the merged findings of one key, whichever scans and runs told them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.queries.difference.counts import names_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.model import MergedFinding, Severity
    from orchestrator.store.facts import Said
    from orchestrator.store.spans import Position
    from orchestrator.store.tag_cells import TagCell

_RANK = attrgetter("order", "target")


class CellFinding(NamedTuple):
    """A merged finding as one scan has it, and the cell that told it."""

    cell: TagCell
    fact: int
    finding: MergedFinding


class Thing(NamedTuple):
    """All versions of one thing, as the latest run has them.

    Attributes:
        first: one of the findings, which says what it is.
        severity: the highest.
        version: of its packages, joined by `, `.
        fixed_version: likewise.
        suppressed: how it is suppressed; empty where one of them is not.
        names: of its places, a line each.
        found_by: the scans that found it, whichever run it was in.
        counts: how many of it each scan found that counted.
        cell: the latest that told it.
    """

    first: MergedFinding
    severity: Severity
    version: str
    fixed_version: str
    suppressed: str
    names: str
    found_by: tuple[str, ...]
    counts: Mapping[str, int]
    cell: TagCell

    @property
    def said(self) -> tuple[object, ...]:
        """What people would miss if it were otherwise, but for versions and places, which move."""
        return self.severity, self.fixed_version, self.suppressed, self.first.title, self.first.aliases


def rows_by_key(
    cells: Iterable[TagCell],
    found: Mapping[tuple[int, Position], Mapping[int, int]],
    said: Said,
) -> dict[str, list[CellFinding]]:
    """What cells told, by the key of each finding."""
    rows: dict[str, list[CellFinding]] = {}
    for cell in cells:
        for fact in found[cell.state, cell.place]:
            finding = said[fact]
            rows.setdefault(finding.key, []).append(CellFinding(cell, fact, finding))
    return rows


def gather(rows: Sequence[CellFinding]) -> Thing:
    """Rows of one key, at least one, as one thing."""
    if len(rows) == 1:  # by far the most
        [(cell, _, finding)] = rows
        count = finding.counts.get(cell.scan)
        return Thing(
            first=finding,
            severity=finding.severity,
            version=finding.version,
            fixed_version=finding.fixed_version,
            suppressed=finding.suppressed.status if finding.suppressed else "",
            names=names_in(finding.places),
            found_by=(cell.scan,),
            counts={} if count is None else {cell.scan: count},
            cell=cell,
        )
    # Where a run has two targets of one name, the same one always counts, in whatever order they were read.
    latest = max((row.cell for row in rows), key=_RANK)
    # Of a thing that several runs know, the latest says what it is; its rows are there once for each scan.
    facts = {row.fact: row.finding for row in rows if row.cell.order == latest.order}
    now = list(facts.values())
    first = facts[min(facts, key=lambda fact: (facts[fact].version, fact))]
    open_ = any(finding.suppressed is None for finding in now)
    return Thing(
        first=first,
        severity=max((finding.severity for finding in now), key=attrgetter("rank")),
        version=_joined(", ", (finding.version for finding in now)),
        fixed_version=_joined(", ", (finding.fixed_version for finding in now)),
        suppressed="" if open_ or first.suppressed is None else first.suppressed.status,
        names=_joined("\n", (names_in(finding.places) for finding in now)),
        found_by=tuple(sorted({row.cell.scan for row in rows})),
        counts=_counts(rows),
        cell=latest,
    )


def _counts(rows: Sequence[CellFinding]) -> dict[str, int]:
    """What each scan counted of the latest run that has a result of it; scans that did not count all of it left out."""
    counts: dict[str, int] = {}
    for scan in {row.cell.scan for row in rows}:
        own = [row for row in rows if row.cell.scan == scan]
        order = max(row.cell.order for row in own)
        # Several rows of one thing are versions of its package; where one is not counted, the sum is not known.
        latest = {row.fact: row.finding.counts.get(scan) for row in own if row.cell.order == order}
        known = [count for count in latest.values() if count is not None]
        if len(known) == len(latest):
            counts[scan] = sum(known)
    return counts


def _joined(separator: str, words: Iterable[str]) -> str:
    return separator.join(sorted({word for word in words if word}))
