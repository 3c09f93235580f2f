"""How many of a thing both sides found: whether some of several are gone, or more have come.

Compared is what one scan counted with what the same scan counted before: two scanners may see unequally many of the
same. Runs of versions that did not count say nothing here, so nothing is changed by them. Places that are names
(`aws_s3_bucket.a`) are compared as well, but never lines, which move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model.merged import MOST_PLACES
from orchestrator.model.places import name_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN = 3


class Counts(NamedTuple):
    """The highest count of each side, of scans that counted on both where there are such, else of any.

    Attributes:
        before: None where nobody counted, as `after`.
        changed: whether a scan counted otherwise than before.
    """

    before: int | None
    after: int | None
    changed: bool = False


def compare_counts(before: Mapping[str, int], after: Mapping[str, int]) -> Counts:
    """Compare what the scans of both sides counted, by scan; those that did not count are left out."""
    both = before.keys() & after.keys() if before and after else ()
    if both:
        changed = any(before[scan] != after[scan] for scan in both)
        return Counts(max(before[scan] for scan in both), max(after[scan] for scan in both), changed)
    return Counts(max(before.values(), default=None), max(after.values(), default=None))


def names_in(places: Sequence[str]) -> str:
    """The names among places, sorted, a line each; empty where some place is not a name."""
    if not places or len(places) >= MOST_PLACES:
        return ""
    names = {name_of(place) for place in places}
    plain = all(name and not any(map(str.isspace, name)) for name in names)
    return "\n".join(sorted(names)) if plain else ""


def tell(before: int, after: int, names_before: str, names_after: str) -> str:
    """What is otherwise, in words: `2 before, 1 now: aws_s3_bucket.b is gone`."""
    counted = f"{before} before, {after} now" if before != after else f"{after} as before, but others"
    was, is_ = set(names_before.split("\n")), set(names_after.split("\n"))
    if not names_before or not names_after or was == is_:
        return counted
    changes = [(sorted(was - is_), "gone"), (sorted(is_ - was), "new")]
    return f"{counted}: {'; '.join(f'{_some(names)} {what}' for names, what in changes if names)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
