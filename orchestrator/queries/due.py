"""What should be scanned again of the targets that names mean now, and how the whole matrix stands."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from orchestrator.kit.matching import glob
from orchestrator.model import Document, Outcome
from orchestrator.model.ages import age_of
from orchestrator.queries.difference.states import NamesAt
from orchestrator.queries.places import asked_about, named_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.queries.choice import Choice
    from orchestrator.queries.places import NamedTarget
    from orchestrator.store.documents import Stale
    from orchestrator.store.past import StoreReader

#: Why something is due that never ended ok, and that is due by its age.
NEVER, OLD = "never", "old"
_NOT_SINCE = "has not run since the image changed"


class DueScan(Document, frozen=True):
    """A target and scan that should be scanned again.

    Attributes:
        target: its id.
        references: the names that mean it; `owners` answer for these.
        why: as of `orchestrator.store.documents.Stale`.
        due: since when, where that is by age; None otherwise.
        scanned: when it last ended ok; None for never.
        outcome: of the last attempt; None when there was none yet.
        failures: how many attempts have failed since then.
    """

    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    scan: str
    why: str
    due: datetime | None = None
    scanned: datetime | None = None
    outcome: Outcome | None = None
    reason: str = ""
    failures: int = 0


class ScanStanding(Document, frozen=True):
    """How a scan stands, over all targets that names mean now.

    Attributes:
        targets: it is planned for.
        fresh: of them, those with a result that need not be scanned again.
        due: of them, those that must, by the reason: see `DueScan.why`.
        failing: whose last attempt failed, whether there is an older result or not.
        oldest: when the oldest result was made; None for none.
    """

    scan: str
    targets: int
    fresh: int
    due: dict[str, int]
    failing: int
    oldest: datetime | None = None


class PlannedScans:
    """The targets and scans that should have a fresh result: of what names mean now, as the newest runs have them.

    Targets that no name means any more are not among them, nor scans that are no longer planned, nor what a plan leaves
    out because it is excluded or cannot be read by the scan.

    Args:
        past: all runs.
        choice: of which only target, owner and scan count.
        every: every target and scan that the store knows, as `Store.stale` gives them without any age.

    Raises:
        NotKnownError: no target or owner has such a name.
    """

    def __init__(self, past: StoreReader, choice: Choice, every: Iterable[Stale]) -> None:
        state = NamesAt(past, past.runs)
        names = state.meant()
        self._known = {(row.target, row.scan): row for row in every}
        self._planned: dict[tuple[str, str], NamedTarget] = {}
        is_asked = glob(choice.scan) if choice.scan else None
        for number, of in asked_about(dict(named_targets(past, names, names)), choice).items():
            for name in names[number]:
                scans = (scan for scan in state.planned(name) if is_asked is None or is_asked(scan))
                self._planned |= {(of.target, scan): of for scan in scans}

    def due(self, stale: Iterable[Stale], ages: Mapping[str, int]) -> tuple[DueScan, ...]:
        """Those that should be scanned again: first what never ended ok, then the oldest.

        Args:
            stale: everything that is stale, in this order.
            ages: by which it is.
        """
        new = [
            DueScan(of.target, of.references, of.owners, scan, NEVER, reason=_NOT_SINCE)
            for (target, scan), of in sorted(self._planned.items())
            if (target, scan) not in self._known
        ]
        planned = ((row, self._planned.get((row.target, row.scan))) for row in stale)
        return (*new, *(_due(row, of, age_of(row.scan, ages)) for row, of in planned if of is not None))

    def standing(self, due: Iterable[DueScan]) -> tuple[ScanStanding, ...]:
        """All of them in numbers, by scan.

        Args:
            due: those of them that should be scanned again.
        """
        numbers = Counter(scan for _, scan in self._planned)
        why: dict[str, Counter[str]] = {scan: Counter() for scan in numbers}
        for row in due:
            why[row.scan][row.why] += 1
        rows: dict[str, list[Stale]] = {scan: [] for scan in numbers}
        for target, scan in self._planned.keys() & self._known.keys():
            rows[scan].append(self._known[target, scan])
        return tuple(
            ScanStanding(
                scan=scan,
                targets=numbers[scan],
                fresh=numbers[scan] - why[scan].total(),
                due=dict(why[scan]),
                failing=sum(row.failures > 0 for row in rows[scan]),
                oldest=min((row.scanned for row in rows[scan] if row.scanned is not None), default=None),
            )
            for scan in sorted(numbers)
        )


def _due(row: Stale, of: NamedTarget, age: int | None) -> DueScan:
    since = row.scanned
    if since is not None and age is not None:
        since += timedelta(seconds=age)
    return DueScan(
        target=row.target,
        references=of.references,
        owners=of.owners,
        scan=row.scan,
        why=row.why,
        due=since if row.why == OLD else None,
        scanned=row.scanned,
        outcome=row.outcome,
        reason=row.reason,
        failures=row.failures,
    )
