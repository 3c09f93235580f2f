"""Differences of two runs made into what is worth telling: grouped, ordered, counted, cut."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import Severity
from orchestrator.model.image import unusual
from orchestrator.notifications.interface import Change, Changes, FirstScan, FirstScans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.queries.difference import Difference

NEW, FIRST, FIXED, GONE = "new", "first", "fixed", "no longer scanned"

_STILL, _CHANGED = "still there", "changed"
_UNSUPPRESSED = "it was ignored before, and no longer is"
_LONGEST = 500
_OWNERS_SHOWN = 5
_BY_RANK = list(Severity)


class Same(NamedTuple):
    """What findings have in common that are reported as one."""

    rank: int
    id: str
    kind: str
    package: str
    version: str
    fixed_version: str
    note: str


class ChangedFinding(NamedTuple):
    """A finding of one target that is worth telling.

    Attributes:
        topic: `new`, `first` where the target was never scanned before, `fixed` or `no longer scanned`.
        reference: a name of the target.
        target: the same for people.
    """

    topic: str
    what: Same
    reference: str
    target: str
    owners: tuple[str, ...]


def worth_telling(differences: Iterable[Difference]) -> list[ChangedFinding]:
    """What came, went, or is no longer looked for, and what is no longer suppressed; nothing that is suppressed.

    Of a finding that is there more often than before some are new, of one that is there less often some are fixed.

    Args:
        differences: one for each finding and name of a target.
    """
    return [_row(topic, each) for each in differences if (topic := _topic(each))]


def _topic(one: Difference) -> str:
    """What to tell a difference as; empty for nothing."""
    before, after = one.suppressed_before, one.suppressed_after
    if one.status == _CHANGED and not before and not after:
        return FIXED if (one.count_after or 0) < (one.count_before or 0) else NEW
    if one.status in {FIXED, GONE}:
        return "" if before else one.status
    if after or (one.status != NEW and not before):
        return ""
    return FIRST if one.status == NEW and not one.run_before else NEW


def _row(topic: str, one: Difference) -> ChangedFinding:
    version = one.version_before if one.status in {FIXED, GONE} else one.version_after
    note = _UNSUPPRESSED if one.status in {_STILL, _CHANGED} else ""
    if one.status == _CHANGED and not one.suppressed_before:
        before, after = one.count_before, one.count_after
        note = f"{before} before, {after} now" if before != after else "others than before"
    what = Same(one.severity.rank, one.id, one.kind, one.package, version, one.fixed_version, note)
    return ChangedFinding(topic, what, one.reference, place_name(one.reference, one.platform), one.owners)


def place_name(reference: str, platform: str) -> str:
    """A target for people: its platform only where it is not the usual one."""
    return f"{reference} ({shown})" if (shown := unusual(platform)) else reference


def changes(rows: Sequence[ChangedFinding], most: int, targets: int) -> Changes:
    """Rows of one topic, the same finding in several targets told once, the most severe and most frequent first.

    Args:
        rows: of one topic.
        most: findings shown.
        targets: names of targets shown for each.
    """
    groups: dict[Same, list[ChangedFinding]] = defaultdict(list)
    for row in rows:
        groups[row.what].append(row)
    order = sorted(groups, key=lambda what: (-what.rank, -len(groups[what]), what))
    return Changes(
        total=len(rows),
        severities=_severities(rows),
        shown=tuple(_change(what, groups[what], targets) for what in order[:most]),
    )


def first_scans(rows: Sequence[ChangedFinding], most: int) -> FirstScans:
    """Targets that were never scanned before, the worst first.

    Args:
        rows: of the topic `first`.
        most: targets shown.
    """
    found: dict[str, list[ChangedFinding]] = defaultdict(list)
    for row in rows:
        found[row.target].append(row)
    counts = {target: Counter(row.what.rank for row in several) for target, several in found.items()}
    worst_first = range(len(Severity) - 1, -1, -1)
    order = sorted(found, key=lambda target: ([-counts[target][rank] for rank in worst_first], target))
    return FirstScans(
        targets=len(found),
        total=len(rows),
        severities=_severities(rows),
        shown=tuple(
            FirstScan(
                target=_clip(target),
                total=len(found[target]),
                severities=_severities(found[target]),
                owners=_owners(found[target]),
            )
            for target in order[:most]
        ),
    )


def _change(what: Same, rows: Sequence[ChangedFinding], targets: int) -> Change:
    names = list(dict.fromkeys(row.target for row in rows))
    return Change(
        severity=_BY_RANK[what.rank],
        id=_clip(what.id),
        kind=what.kind,
        package=_clip(what.package),
        version=_clip(what.version),
        fixed_version=_clip(what.fixed_version),
        targets=tuple(_clip(name) for name in names[:targets]),
        target_count=len(names),
        count=len(rows),
        owners=_owners(rows),
        note=what.note,
    )


def _severities(rows: Iterable[ChangedFinding]) -> dict[str, int]:
    counts = Counter(row.what.rank for row in rows)
    return {_BY_RANK[rank].value: counts[rank] for rank in sorted(counts, reverse=True)}


def _owners(rows: Iterable[ChangedFinding]) -> tuple[str, ...]:
    owners = {one for several in {row.owners for row in rows} for one in several}
    return tuple(_clip(one) for one in sorted(owners)[:_OWNERS_SHOWN])


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
