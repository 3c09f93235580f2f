"""Differences of two runs, a table row by row, made into what is worth telling: grouped, ordered, counted, cut."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.model import Severity
from orchestrator.notifications.interface import Change, Changes, FirstScan, FirstScans

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

#: Columns of the differences that are read; `docs/results.md` says what they hold.
COLUMNS = (
    "status",
    "reference",
    "platform",
    "kind",
    "id",
    "severity",
    "package",
    "version_before",
    "version_after",
    "count_before",
    "count_after",
    "fixed_version",
    "owners",
    "suppressed_before",
    "suppressed_after",
    "run_before",
)
NEW, FIRST, FIXED, GONE = "new", "first", "fixed", "no longer scanned"

_STILL, _CHANGED = "still there", "changed"
_USUAL_PLATFORM = "linux/amd64"
_UNSUPPRESSED = "it was ignored before, and no longer is"
_LONGEST = 500
_OWNERS_SHOWN = 5
_BY_RANK = list(Severity)
_RANKS = {severity.value: rank for rank, severity in enumerate(_BY_RANK)}


class Same(NamedTuple):
    """What findings have in common that are told as one."""

    rank: int
    id: str
    kind: str
    package: str
    version: str
    fixed_version: str
    note: str


class Row(NamedTuple):
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


def worth_telling(differences: pd.DataFrame) -> list[Row]:
    """What came, went, or is no longer looked for, and what is no longer suppressed; nothing that is suppressed.

    Of a finding that is there more often than before some are new, of one that is there less often some are fixed.

    Args:
        differences: a row for each finding and name of a target, with the columns of `COLUMNS`. Whether something is
            suppressed may be told as truth values or as the status that suppresses it.
    """
    differences = differences.reindex(columns=list(COLUMNS))  # what earlier versions wrote has no counts
    topics = list(map(_topic, *(_values(differences[name]) for name in _TELLING)))
    told = differences.loc[[bool(topic) for topic in topics]]
    columns = (_values(told[name]) for name in COLUMNS if name not in {"status", "suppressed_after", "run_before"})
    return [_row(*values) for values in zip(filter(None, topics), _values(told["status"]), *columns, strict=True)]


_TELLING = ("status", "suppressed_before", "suppressed_after", "run_before", "count_before", "count_after")


def _topic(  # noqa: PLR0917 - called with what zip gives
    status: str, before: object, after: object, run_before: str, count_before: Any, count_after: Any
) -> str:
    """What to tell a row as; empty for nothing."""
    if status == _CHANGED and not before and not after:
        return FIXED if count_after < count_before else NEW
    if status in {FIXED, GONE}:
        return "" if before else status
    if after or (status in {_STILL, _CHANGED} and not before) or status not in {NEW, _STILL, _CHANGED}:
        return ""
    return FIRST if status == NEW and not run_before else NEW


def _row(  # noqa: PLR0917 - called with what zip gives
    topic: str,
    status: str,
    reference: str,
    platform: str,
    kind: str,
    id: str,  # noqa: A002 - the column's name
    severity: str,
    package: str,
    version_before: str,
    version_after: str,
    count_before: Any,
    count_after: Any,
    fixed_version: str,
    owners: Any,
    suppressed_before: object,
) -> Row:
    """A row of the table, its columns in the order of `COLUMNS`."""
    version = version_before if status in {FIXED, GONE} else version_after
    note = _UNSUPPRESSED if status in {_STILL, _CHANGED} else ""
    if status == _CHANGED and not suppressed_before:
        note = f"{count_before} before, {count_after} now" if count_before != count_after else "others than before"
    what = Same(_RANKS.get(severity, 0), id, kind, package, version, fixed_version, note)
    return Row(topic, what, reference, place_name(reference, platform), tuple(map(str, owners)))


def place_name(reference: str, platform: str) -> str:
    """A target for people: its platform only where it is not the usual one."""
    return reference if platform in {"", _USUAL_PLATFORM} else f"{reference} ({platform})"


def changes(rows: Sequence[Row], most: int, targets: int) -> Changes:
    """Rows of one topic, the same finding in several targets told once, the most severe and most frequent first.

    Args:
        rows: of one topic.
        most: findings shown.
        targets: names of targets shown for each.
    """
    groups: dict[Same, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.what].append(row)
    order = sorted(groups, key=lambda what: (-what.rank, -len(groups[what]), what))
    return Changes(
        total=len(rows),
        severities=_severities(rows),
        shown=tuple(_change(what, groups[what], targets) for what in order[:most]),
    )


def first_scans(rows: Sequence[Row], most: int) -> FirstScans:
    """Targets that were never scanned before, the worst first.

    Args:
        rows: of the topic `first`.
        most: targets shown.
    """
    found: dict[str, list[Row]] = defaultdict(list)
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


def _change(what: Same, rows: Sequence[Row], targets: int) -> Change:
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


def _severities(rows: Iterable[Row]) -> dict[str, int]:
    counts = Counter(row.what.rank for row in rows)
    return {_BY_RANK[rank].value: counts[rank] for rank in sorted(counts, reverse=True)}


def _owners(rows: Iterable[Row]) -> tuple[str, ...]:
    owners = {one for several in {row.owners for row in rows} for one in several}
    return tuple(_clip(one) for one in sorted(owners)[:_OWNERS_SHOWN])


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _values(column: pd.Series[Any]) -> list[Any]:
    """Values as Python has them, `""` for what is missing, whatever the dtype."""
    plain = column.astype("object")
    return plain.where(plain.notna(), "").tolist()
