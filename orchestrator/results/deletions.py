"""Results that somebody deleted: which of a target's no question shows any more, who wanted that, and when.

    deletions/<target>.json

What a run wrote stays as it is: its ledger says truthfully how each cell ended, and is read with the deletion beside
it. Findings of a deleted result are read by nobody. A result that is newer than the deletion counts as ever.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.model import Document
from orchestrator.model.documents import encode, read, spell_time
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from orchestrator.model import Ledger, LedgerRow
    from orchestrator.volume.layout import Volume

#: How the reason begins why a result that was deleted is not shown.
DELETED = "deleted by "


class Deletion(Document, frozen=True):
    """All results that a target had at a moment were deleted.

    Attributes:
        at: when, RFC 3339.
        by: who wanted it.
        image: the image, as they named it; empty where they named the target.
        runs: those whose results ended in the very second, which its time does not tell from newer ones.
    """

    at: str
    by: str
    image: str = ""
    runs: tuple[str, ...] = ()


class TargetDeletions(Document, frozen=True):
    """The deletions of one target, the first first."""

    target: str
    deletions: tuple[Deletion, ...] = ()


class Deleted:
    """Which results on a volume are deleted; each file is read once."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        try:
            self._files = frozenset(path.name for path in volume.deletions.iterdir())
        except FileNotFoundError:
            self._files = frozenset()
        self._read: dict[str, tuple[Deletion, ...]] = {}

    def why(self, target: str, run: str, moment: str) -> str:
        """Why a result is not shown; empty where it is.

        Args:
            target: id of its target.
            run: that brought it.
            moment: when it ended, RFC 3339.

        Raises:
            DocumentError: what is written down of the target cannot be read.
        """
        if not self._files:
            return ""
        for deletion in self._of(target):
            if run in deletion.runs or _seconds(moment) < _seconds(deletion.at):
                return f"{DELETED}{deletion.by} on {deletion.at}"
        return ""

    def why_not(self, row: LedgerRow, ledger: Ledger) -> str:
        """The same of a cell; one that rests on an earlier result is of the time at which that was decided."""
        if not self._files:
            return ""
        moment = ledger.created if row.standing else row.finished or row.started or ledger.created
        return self.why(row.target, ledger.run, moment)

    def _of(self, target: str) -> tuple[Deletion, ...]:
        if target not in self._read:
            path = self._volume.deletion(target)
            there = path.name in self._files
            self._read[target] = read(path, TargetDeletions).deletions if there else ()
        return self._read[target]


def delete(volume: Volume, target: str, *, by: str, image: str, runs: tuple[str, ...], now: datetime) -> Deletion:
    """Write down that all results of a target are deleted, beside what was deleted earlier.

    Args:
        volume: where they lie.
        target: id of the target.
        by: who wants it.
        image: as `Deletion` has it.
        runs: likewise.
        now: with a time zone.
    """
    path = volume.deletion(target)
    earlier = read(path, TargetDeletions).deletions if path.exists() else ()
    deletion = Deletion(spell_time(now.astimezone(UTC)), by, image, runs)
    write_atomic(path, encode(TargetDeletions(target, (*earlier, deletion))))
    return deletion


def _seconds(moment: str) -> float:
    """Seconds since 1970; of a moment that cannot be read, none, so that it is before everything."""
    try:
        return datetime.fromisoformat(moment).replace(microsecond=0).timestamp()
    except ValueError:
        return 0.0
