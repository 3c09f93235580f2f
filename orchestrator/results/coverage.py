"""What an answer rests on: of which targets there is a result that could tell, and of which nothing is known.

Without it an empty answer would look like a clean one. Every answer carries it: tables, JSON, Python and exports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.model import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from orchestrator.model import LedgerRow

_SHOWN, _WRITTEN = 3, 1_000
#: Of a file: the key under which its metadata has what the file rests on, as JSON.
KEY = "scanmatrix.coverage"


class NotCovered(Document, frozen=True):
    """A target of which the answer says nothing.

    Attributes:
        why: how its cells ended that could have told.
    """

    target: str
    references: tuple[str, ...]
    why: str


class Coverage(Document, frozen=True):
    """What an answer rests on.

    Attributes:
        targets: that are asked about.
        unknown: those of them without a result that could tell.
        unnamed: how many more there are of these, where somebody who answered did not name all.
    """

    targets: int
    unknown: tuple[NotCovered, ...] = ()
    unnamed: int = 0

    @property
    def covered(self) -> int:
        """Targets with a result that could tell."""
        return self.targets - len(self.unknown) - self.unnamed

    def document(self, most: int | None = None) -> dict[str, Any]:
        """The same for programs, as every answer and export has it: `coverage`, and `unknown`.

        Args:
            most: of the unknown targets; None for all.
        """
        return {"coverage": {"targets": self.targets, "covered": self.covered}, "unknown": self.unknown[:most]}

    def spell(self) -> bytes:
        """The same as JSON, for files: with the first unknown targets, where there are very many."""
        return msgspec.json.encode(self.document(_WRITTEN))

    def __str__(self) -> str:
        """One sentence for people."""
        covers = f"covers {self.covered} of {self.targets} targets" if self.targets else "covers no target"
        if not self.unknown:
            return covers
        shown = "; ".join(f"{next(iter(each.references), each.target)}: {each.why}" for each in self.unknown[:_SHOWN])
        unknown = len(self.unknown) + self.unnamed
        more = f"; and {unknown - _SHOWN} more" if unknown > _SHOWN else ""
        return f"{covers}; nothing is known of {unknown}: {shown}{more}"


def by_target(rows: Iterable[LedgerRow]) -> list[list[LedgerRow]]:
    """The rows of a ledger, those of one target together."""
    found: dict[str, list[LedgerRow]] = {}
    for row in rows:
        found.setdefault(row.target, []).append(row)
    return list(found.values())


def known_of(targets: Sequence[Sequence[LedgerRow]], scans: Set[str]) -> Coverage:
    """What some scans know of targets.

    Args:
        targets: the rows of each.
        scans: names of the scans that could tell.
    """
    unknown = [_not_covered(of, scans) for of in targets if not any(_tells(row, scans) for row in of)]
    return Coverage(targets=len(targets), unknown=tuple(unknown))


def coverage_in(rows: Sequence[LedgerRow]) -> Coverage:
    """What a run knows of its targets, by whatever scan."""
    return known_of(by_target(rows), {row.scan for row in rows})


def _tells(row: LedgerRow, scans: Set[str]) -> bool:
    """Whether it has a result, or stands by an earlier one that is believed."""
    return row.scan in scans and (row.holds or (bool(row.standing) and not row.suspect))


def _not_covered(rows: Sequence[LedgerRow], scans: Set[str]) -> NotCovered:
    ends = [f"{row.scan} {'suspect' if row.suspect else row.outcome.value}" for row in rows if row.scan in scans]
    first = rows[0]
    return NotCovered(first.target, first.references, ", ".join(ends[:_SHOWN]) or "no scan of it looks for this")
