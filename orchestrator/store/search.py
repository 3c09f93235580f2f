"""Who has a finding, and what changed since a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, literal_column, or_, select

from orchestrator.model.places import in_order
from orchestrator.packages.identity import canonical
from orchestrator.store.answers import SEVERITIES, answer
from orchestrator.store.catalogue import batches, spell_id
from orchestrator.store.dialects import among
from orchestrator.store.interface import Change, Changes, Holder, Holders, Unscanned
from orchestrator.store.names import names_of, uses_of
from orchestrator.store.schema import fact_ids, facts, findings, states, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row, Select

_OF_FACT = ("id", "package", "version", "location", "fixed_version", "place")
_MOMENTS = (findings.c.state_id, findings.c.first_at, findings.c.gone_at)
_SHOWN = (
    facts.c.name.label("id"),
    facts.c.severity,
    facts.c.package,
    facts.c.version,
    facts.c.location,
    facts.c.fixed_version,
    facts.c.place,
)


def who_has(connection: Connection, name: str, limit: int) -> Holders:
    """See `Store.who_has`."""
    wanted = select(fact_ids.c.fact_id).where(_called(connection, spell_id(name))).distinct().subquery()
    there = and_(findings.c.fact_id == wanted.c.fact_id, findings.c.gone_at == 0)
    total = connection.scalar(select(func.count()).select_from(findings).join(wanted, there)) or 0
    # The page first, and only then what is said of it: a CVE may be in every target there is.
    page = (
        select(findings.c.state_id, findings.c.fact_id, findings.c.first_at)
        .join(wanted, there)
        .order_by(findings.c.state_id, findings.c.fact_id)
        .limit(limit)
        .subquery()
    )
    query = (
        select(page, states.c.scan, states.c.suspect, states.c.target_id, targets.c.target)
        .join(states, states.c.id == page.c.state_id)
        .join(targets, targets.c.id == states.c.target_id)
        .order_by(states.c.target_id, page.c.state_id, page.c.fact_id)
    )
    rows = connection.execute(query).all()
    ids = {row.target_id for row in rows}
    known, uses = names_of(connection, ids), uses_of(connection, ids)
    said = _said_of(connection, {row.fact_id for row in rows})
    nameless: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    return Holders(
        total=total,
        rows=tuple(
            answer(
                Holder,
                row,
                references=known.get(row.target_id, nameless)[0],
                owners=known.get(row.target_id, nameless)[1],
                since=datetime.fromtimestamp(row.first_at, UTC),
                uses=uses.get(row.target_id, ()),
                **said[row.fact_id],
            )
            for row in rows
        ),
    )


def _said_of(connection: Connection, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The fields of `Holder` that facts give, by the facts' ids."""
    found: dict[int, dict[str, Any]] = {}
    for some in batches(ids):
        said = select(facts.c.id.label("fact_id"), *_SHOWN).where(among(connection, facts.c.id, some))
        for row in connection.execute(said):
            fields = {name: getattr(row, name) for name in _OF_FACT}
            found[row.fact_id] = {**fields, "severity": SEVERITIES[row.severity]}
    return found


def _called(connection: Connection, name: str) -> ColumnElement[bool]:
    """Which ids are of that name, or of what other scanners call the same thing.

    What one fact says of its aliases helps to find the facts that do not mention this one. It goes one step only: an
    advisory of a distribution has many CVEs as aliases, and these are not each other's.
    """
    named = select(fact_ids.c.fact_id).where(fact_ids.c.name == name)
    of_own = select(fact_ids.c.name).where(fact_ids.c.fact_id.in_(named.where(fact_ids.c.own.is_(True))))
    others = named.where(fact_ids.c.own.is_(False))
    owners = select(fact_ids.c.name).where(fact_ids.c.fact_id.in_(others), fact_ids.c.own.is_(True))
    aliases = {name, *connection.scalars(of_own.distinct())}
    known_as = set(connection.scalars(owners.distinct()))
    return or_(fact_ids.c.name.in_(aliases), and_(fact_ids.c.name.in_(known_as), fact_ids.c.own.is_(True)))


def changes(connection: Connection, since: datetime) -> Changes:
    """See `Store.changes`."""
    begin = int(since.timestamp())
    base = (
        select(*_MOMENTS, states.c.scan, targets.c.target, targets.c.reference, facts.c.kind, facts.c.purl, *_SHOWN)
        .join(facts, facts.c.id == findings.c.fact_id)
        .join(states, states.c.id == findings.c.state_id)
        .join(targets, targets.c.id == states.c.target_id)
    )
    came = _by_thing(connection, base.where(findings.c.first_at >= begin, findings.c.gone_at == 0))
    is_gone = findings.c.gone_at > literal_column("0")  # spelt out, as in the condition of its index
    went = _by_thing(connection, base.where(is_gone, findings.c.gone_at >= begin, findings.c.first_at < begin))
    total = int(connection.scalar(select(func.sum(states.c.findings))) or 0)
    new, fixed, changed = _compared(came, went)
    return Changes(
        new=_changes(new, "first_at"),
        fixed=_changes(fixed, "gone_at"),
        changed=_changes(changed, "first_at"),
        still=total - len(new),
        unscanned=_unscanned(connection, begin),
    )


def _by_thing(connection: Connection, query: Select[Any]) -> dict[tuple[Any, ...], list[Row[Any]]]:
    """Rows by target and scan, and by what the finding is, whatever is said of it and however its package is spelt."""
    found: dict[tuple[Any, ...], list[Row[Any]]] = {}
    for row in connection.execute(query):
        package = canonical(row.purl, row.package, row.version)
        thing = (row.state_id, row.kind, row.id, package.key, package.version, row.location)
        found.setdefault(thing, []).append(row)
    return found


def _compared(
    came: Mapping[tuple[Any, ...], Sequence[Row[Any]]], went: Mapping[tuple[Any, ...], Sequence[Row[Any]]]
) -> tuple[list[Row[Any]], list[Row[Any]], list[Row[Any]]]:
    """What is new, fixed and changed: of a finding of several places that many as there are more, less, and both."""
    new: list[Row[Any]] = []
    fixed: list[Row[Any]] = []
    changed: list[Row[Any]] = []
    for thing in {**came, **went}:
        now, then = (sorted(side.get(thing, ()), key=lambda row: in_order(row.place)) for side in (came, went))
        if not now or not then:
            new += now
            fixed += then
        elif not any(row.place for row in (*now, *then)):
            changed += now
        elif not any(row.place for row in then):
            # An earlier version did not tell places, so nobody knows how many there were.
            told = {(row.severity, row.fixed_version) for row in then}
            changed += [row for row in now if (row.severity, row.fixed_version) not in told]
        else:
            both = min(len(now), len(then))
            changed += now[:both]
            new += now[both:]
            fixed += then[both:]
    return new, fixed, changed


def _changes(rows: Iterable[Row[Any]], moment: str) -> tuple[Change, ...]:
    found = [
        answer(
            Change,
            row,
            severity=SEVERITIES[row.severity],
            at=datetime.fromtimestamp(getattr(row, moment), UTC),
        )
        for row in rows
    ]
    return tuple(
        sorted(found, key=lambda each: (each.at, each.target, each.scan, each.id, each.package, each.location))
    )


def _unscanned(connection: Connection, begin: int) -> tuple[Unscanned, ...]:
    query = (
        select(states.c.scan, states.c.last_at, states.c.findings, targets.c.target, targets.c.reference)
        .join(targets, targets.c.id == states.c.target_id)
        .where(states.c.last_at < begin, states.c.last_at > 0)
        .order_by(targets.c.target, states.c.scan)
    )
    return tuple(
        answer(Unscanned, row, last=datetime.fromtimestamp(row.last_at, UTC)) for row in connection.execute(query)
    )
