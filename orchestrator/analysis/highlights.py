"""What people look at first when a run has ended: how much there is of which severity, and the worst of it.

The rows are read twice, so that memory does not grow with them: once for the worst, once to count where these are.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.model import Document, MergedRow, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

_Key: TypeAlias = tuple[str, str, str, str, str]
_Rank: TypeAlias = tuple[int, bool, float, float, bool]


class WorstFinding(Document, frozen=True):
    """One of the worst findings of a run.

    Attributes:
        row: where it was found first.
        targets: how many targets have it.
    """

    row: MergedRow
    targets: int


class Highlights(Document, frozen=True):
    """The findings of a run in short.

    Attributes:
        open: findings that are not suppressed, by severity, the worst severity first.
        fixable: how many of these have a fixed version.
        suppressed: findings that are.
        worst: the worst of the open ones; the same thing in several targets is one.
        more: how many other open ones there are, each target counted.
    """

    open: dict[Severity, int]
    fixable: int = 0
    suppressed: int = 0
    worst: tuple[WorstFinding, ...] = ()
    more: int = 0


def highlights_of(rows: Iterable[MergedRow], most: int) -> Highlights:
    """The findings of a run in short.

    Args:
        rows: merged findings, which can be read several times.
        most: how many of the worst.
    """
    counts, suppressed, fixable = Counter[Severity](), 0, 0
    worst: dict[_Key, tuple[_Rank, MergedRow]] = {}
    least: _Rank | None = None
    for row in rows:
        if row.finding.suppressed is not None:
            suppressed += 1
            continue
        counts[row.finding.severity] += 1
        fixable += bool(row.finding.fixed_version)
        rank = _rank(row)
        if least is not None and rank <= least:
            continue
        key = _key(row)
        if key not in worst or rank > worst[key][0]:
            worst[key] = rank, row
        if len(worst) > most:
            # Of equally bad ones the last that came.
            del worst[min(reversed(worst), key=lambda each: worst[each][0])]
        if len(worst) == most:
            least = min(rank for rank, _ in worst.values())
    targets = Counter(key for row in rows if row.finding.suppressed is None and (key := _key(row)) in worst)
    first = sorted(worst, key=lambda each: worst[each][0], reverse=True)
    return Highlights(
        open={severity: counts[severity] for severity in reversed(Severity) if counts[severity]},
        fixable=fixable,
        suppressed=suppressed,
        worst=tuple(WorstFinding(worst[key][1], targets[key]) for key in first),
        more=counts.total() - targets.total(),
    )


def _rank(row: MergedRow) -> _Rank:
    """The worse, the greater: by severity, whether it is exploited, how likely that is, its score, and a fix."""
    finding = row.finding
    score = finding.cvss.score if finding.cvss is not None else 0.0
    return finding.severity.rank, finding.kev, finding.epss or 0.0, score, bool(finding.fixed_version)


def _key(row: MergedRow) -> _Key:
    """Equal for the same thing in several targets."""
    finding = row.finding
    return finding.kind, finding.id, finding.package, finding.version, "" if finding.package else finding.key
