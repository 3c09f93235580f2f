"""Who has a vulnerability, or a vulnerable package, by the latest results of every name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.model.documents import spell_time
from orchestrator.queries.difference.states import NamesAt
from orchestrator.store.documents import Holder, Holders

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from orchestrator.model import MergedFinding
    from orchestrator.store.past import StoreReader, TagCell

# Targets up to which their own names are asked for, rather than all names.
_FEW = 5_000


class _Told(NamedTuple):
    """A finding as one scan of a target has it, and since when it is known."""

    cell: TagCell
    finding: MergedFinding
    since: int


def holders(
    past: StoreReader, facts: Collection[int], limit: int, is_platform: Callable[[str], bool] | None = None
) -> Holders:
    """Who has any of these facts now.

    A name that later runs no longer have does not count, and of every other only its latest result of each scan.

    Args:
        past: all runs.
        facts: their numbers.
        limit: most rows; `Holders.total` counts all.
        is_platform: whether targets of a platform are asked for; None for all.
    """
    states = past.states_with(facts)
    if is_platform is not None:
        platforms = past.platforms(states.values())
        states = {state: target for state, target in states.items() if is_platform(platforms[target])}
    current = _current(past, states)
    found = past.found((cell.state, cell.place) for cell, _ in current.values())
    wanted = frozenset(facts)
    past.said.read(wanted)
    rows: dict[tuple[int, str, str], list[_Told]] = {}
    for cell, _ in current.values():
        for fact, since in found[cell.state, cell.place].items():
            if fact in wanted:
                finding = past.said[fact]
                one = _Told(cell, finding, since)
                rows.setdefault((cell.target, finding.key, finding.version), []).append(one)
    order = sorted(rows, key=lambda row: (-max(one.finding.severity.rank for one in rows[row]), row))
    return Holders(total=len(rows), rows=tuple(_holders(past, [rows[row] for row in order[:limit]], current.values())))


def _current(past: StoreReader, states: Mapping[int, int]) -> dict[tuple[int, str], tuple[TagCell, set[int]]]:
    """The cells of these targets and scans that tell what a name means now, with the names."""
    targets = set(states.values())
    state = NamesAt(past, past.runs, past.names_of_targets(targets) if len(targets) <= _FEW else None)
    found: dict[tuple[int, str], tuple[TagCell, set[int]]] = {}
    for name in state.names:
        if state.gone(name):
            continue
        for scan in state.scans(name):
            for cell in state.sources(name, scan):
                if cell.state in states:
                    found.setdefault((cell.state, cell.run), (cell, set()))[1].add(name)
    return found


def _holders(
    past: StoreReader, rows: Sequence[Sequence[_Told]], current: Iterable[tuple[TagCell, set[int]]]
) -> Iterable[Holder]:
    names: dict[int, set[int]] = {}
    for cell, tags in current:
        names.setdefault(cell.target, set()).update(tags)
    shown = {told[0].cell.target for told in rows}
    spelt = past.names({name for target in shown for name in names[target]})
    described = past.described(shown)
    scores = past.scores(told[0].finding.id for told in rows)
    for told in rows:
        newest = max(told, key=lambda one: one.cell.order)
        target = described[newest.cell.target]
        since = min(one.since for one in told)
        yield Holder(
            target=target.target,
            references=tuple(sorted({spelt[name][0] for name in names[newest.cell.target]})),
            owners=target.owners,
            digest=target.digest,
            platform=target.platform,
            indexes=target.indexes,
            run=newest.cell.run,
            finding=_whole(newest, told, target.target, since, scores.get(newest.finding.id)),
            since=datetime.fromtimestamp(since, UTC),
            uses=target.uses,
            suspect=_suspect(told),
        )


def _whole(newest: _Told, told: Sequence[_Told], target: str, since: int, epss: float | None) -> MergedFinding:
    """The finding as the newest run has it, found by every scan that has it."""
    finding = newest.finding
    scans = dict.fromkeys((*finding.found_by, *sorted(one.cell.scan for one in told)))
    return msgspec.structs.replace(
        finding,
        target=target,
        found_by=tuple(scans),
        not_found_by=tuple(scan for scan in finding.not_found_by if scan not in scans),
        not_scanned_by=tuple(scan for scan in finding.not_scanned_by if scan not in scans),
        first_seen=spell_time(datetime.fromtimestamp(since, UTC)),
        epss=epss,
    )


def _suspect(told: Sequence[_Told]) -> str:
    reasons = {one.cell.scan: one.cell.suspect for one in told}
    return "; ".join(f"{scan}: {why}" for scan, why in sorted(reasons.items())) if all(reasons.values()) else ""
