"""Why something is new, fixed, or no longer scanned: told by which scans ended how on the older and the newer side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.queries.difference.states import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.queries.difference.states import NamesAt
    from orchestrator.store.tag_cells import TagCell

#: What a row can be, in the order of the rows.
STATUSES = ("new", "changed", "fixed", "no longer scanned", "still there")
NEW, CHANGED, FIXED, UNSCANNED, STILL = STATUSES


class Pair(NamedTuple):
    """Two names that are compared: mostly the same one, at two moments.

    Attributes:
        older: its number; None where there is nothing to compare with.
        newer: its number; None where there is nothing left.
        reference: for the rows.
        gone: the run that was to hold the newer name and did not; empty where it is not gone.
    """

    older: int | None
    newer: int | None
    reference: str
    platform: str
    gone: str = ""


class Told(NamedTuple):
    """What a row is, why, and the run that tells so where the row has none on that side."""

    status: str
    why: str = ""
    run_before: str = ""
    run_after: str = ""


class Explained:
    """One pair: the results of both sides, and what they say of a thing that was found on only one of them.

    Attributes:
        before: by scan, the older side's latest result.
        after: the same of the newer side, as far as it still says something.
    """

    def __init__(self, older: NamesAt, newer: NamesAt, pair: Pair) -> None:
        self._pair = pair
        self._newer = newer
        self._first = not older.runs
        self.before: dict[str, TagCell] = older.results(pair.older) if pair.older is not None else {}
        name = pair.newer
        held = newer.results(name) if name is not None and not pair.gone else {}
        self.after = {
            scan: cell for scan, cell in held.items() if name is not None and not newer.trouble(name, scan)[0]
        }
        self._told: dict[tuple[tuple[str, ...], bool], Told] = {}

    def tell(self, found_by: tuple[str, ...], *, before: bool, after: bool) -> Told:
        """What a row is.

        Args:
            found_by: the scans that found it on the newer side, or else on the older.
            before: whether it is on the older side.
            after: whether it is on the newer side.
        """
        if before and after:
            return Told(STILL)
        told = self._told.get((found_by, after))
        if told is None:
            told = self._told[found_by, after] = self._new(found_by) if after else self._past(found_by)
        return told

    def image(self, scans: Sequence[str]) -> str:
        """Whether what these scans looked at is another image than before."""
        before = [self.before[scan] for scan in scans if scan in self.before]
        return _image(before, [self.after[scan] for scan in scans if scan in self.after])

    def _new(self, scans: Sequence[str]) -> Told:
        if self._first:
            return Told(NEW, "first run")
        if not self.before:
            return Told(NEW, "first scan of this image")
        known = [self.before[scan] for scan in scans if scan in self.before]
        if not known:
            return Told(NEW, f"first scan by {', '.join(scans)}")
        now = [self.after[scan] for scan in scans if scan in self.after]
        return Told(NEW, f"appeared: {_image(known, now)}", run_before=_latest(known))

    def _past(self, scans: Sequence[str]) -> Told:
        """It was there: fixed only when every scan that had found it says so."""
        name = self._pair.newer
        if self._pair.gone or name is None:
            return Told(UNSCANNED, "image gone from the runs", run_after=self._pair.gone)
        troubles = [self._newer.trouble(name, scan) for scan in scans]
        told = [(why, run) for why, run in troubles if why]
        if told:
            return Told(UNSCANNED, "; ".join(why for why, _ in told), run_after=told[0][1])
        now = [self.after[scan] for scan in scans]
        return Told(
            FIXED, f"no longer found: {_image([self.before[scan] for scan in scans], now)}", run_after=_latest(now)
        )


def _image(before: Iterable[TagCell], after: Iterable[TagCell]) -> str:
    """Whether it is the image that is another, or what is known of it."""
    same = {cell.target for cell in after} <= {cell.target for cell in before}
    return "the image is the same" if same else "the image changed"


def _latest(cells: Iterable[TagCell]) -> str:
    return max((cell.order for cell in cells), default=NEVER)[1]
