"""What was searched for, and what changed: rows for people, and how many there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.queries.difference.explain import CHANGED, FIXED, NEW, UNSCANNED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.queries.difference import Difference

#: Most rows of one kind on a page.
MOST = 500
#: Rows of a search that nobody asked for more of.
USUAL = 100
# Ids of all databases begin with letters, then a hyphen and a digit, or the parts of a GHSA; packages seldom do.
_ID = re.compile(
    r"(?:[a-z]{2,12}-(?:[a-z]{2,4}-)?\d{2,4}[-:].*|ghsa(?:-[0-9a-z*?]{1,4}){1,3}.*|cve-[\d*?-]+)", re.IGNORECASE
)


class SearchWords(NamedTuple):
    """What is searched for: an id, or a package."""

    id: str = ""
    package: str = ""


def read_search(text: str) -> SearchWords:
    """What somebody who types into one field means: an id of a vulnerability, else the name of a package."""
    wanted = text.strip()
    if _ID.fullmatch(wanted):
        return SearchWords(id=wanted)
    return SearchWords(package=wanted)


class ChangeRow(NamedTuple):
    """A difference, and in words why it is one."""

    of: Difference
    why: str


class ChangeGroup(NamedTuple):
    """What became of some findings: `left_out` more of them than the rows shown."""

    title: str
    rows: tuple[ChangeRow, ...]
    left_out: int

    @property
    def total(self) -> int:
        """All of them."""
        return len(self.rows) + self.left_out


_TITLES = {NEW: "New", FIXED: "Fixed", CHANGED: "Changed", UNSCANNED: "No longer scanned"}


def grouped(rows: Iterable[Difference]) -> tuple[ChangeGroup, ...]:
    """Differences by what became of them, the worst first; what is still there as it was is left out."""
    found: dict[str, list[Difference]] = {status: [] for status in _TITLES}
    for row in rows:
        status = CHANGED if row.altered else row.status
        if status in found:
            found[status].append(row)
    return tuple(_group(_TITLES[status], of) for status, of in found.items())


def _group(title: str, rows: list[Difference]) -> ChangeGroup:
    worst = sorted(rows, key=lambda row: -row.severity.rank)[:MOST]
    return ChangeGroup(title, tuple(ChangeRow(row, row.why or _altered(row)) for row in worst), len(rows) - len(worst))


def _altered(row: Difference) -> str:
    """What is said otherwise of what is still there."""
    if row.suppressed_before != row.suppressed_after:
        return f"suppressed now: {row.suppressed_after}" if row.suppressed_after else "not suppressed any more"
    if row.count_before != row.count_after and None not in {row.count_before, row.count_after}:
        return f"{row.count_after} of it, {row.count_before} before"
    return "another severity, fix, title or alias than before"
