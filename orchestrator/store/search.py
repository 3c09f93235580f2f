"""Which facts are meant, and who may have them: what the indexes can say before anything is read of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, bindparam, or_, select

from orchestrator.kit.matching import glob
from orchestrator.packages.spellings import means
from orchestrator.store.catalogue import spell_id
from orchestrator.store.dialects import among, rows_by
from orchestrator.store.schema import fact_ids, facts, findings, scores, states, target_digests

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import ColumnElement, Connection

_WILDCARDS = frozenset("*?[")
_CVE = "CVE-"
_STATES = (
    select(states.c.id, states.c.target_id, states.c.scan).join(findings, findings.c.state_id == states.c.id).distinct()
)
_named = fact_ids.alias()
# Of the facts with a name, own or alias, all names: whether it is their own, and whether the other is.
_KNOWN_AS = (
    select(fact_ids.c.name, fact_ids.c.own, _named.c.own.label("is_named_so"))
    .join(_named, _named.c.fact_id == fact_ids.c.fact_id)
    .where(_named.c.name == bindparam("name"))
    .distinct()
)
_INDEXES = select(target_digests).order_by(target_digests.c.digest)
_SCORES = select(scores)


def facts_named(connection: Connection, name: str) -> set[int]:
    """Facts with an id or alias, in any case; by a glob, with any that matches."""
    wanted = select(fact_ids.c.fact_id).where(_called(connection, spell_id(name))).distinct()
    return set(connection.scalars(wanted))


def _called(connection: Connection, name: str) -> ColumnElement[bool]:
    """Which ids are of that name, or of what other scanners call the same thing.

    What one fact says of its aliases helps to find the facts that do not mention this one. It goes one step only, and
    never from one CVE to another: an advisory of a distribution has many as aliases, and these are not each other's.
    """
    if _WILDCARDS.intersection(name):
        alike = select(fact_ids.c.name).where(fact_ids.c.name.like(_like(name), escape="!")).distinct()
        matching = [each for each in connection.scalars(alike) if glob(name)(each)]
        return among(connection, fact_ids.c.name, matching)
    found = connection.execute(_KNOWN_AS, {"name": name}).all()
    # Aliases of the facts that are called so; own ids of the facts that have it as an alias.
    aliases = {row.name for row in found if row.is_named_so}
    known_as = {row.name for row in found if row.own and not row.is_named_so}
    if name.startswith(_CVE):
        aliases, known_as = ({each for each in some if not each.startswith(_CVE)} for some in (aliases, known_as))
    aliases.add(name)
    return or_(fact_ids.c.name.in_(aliases), and_(fact_ids.c.name.in_(known_as), fact_ids.c.own.is_(True)))


def _like(pattern: str) -> str:
    """A pattern for LIKE that lets pass at least what a glob does."""
    begin = pattern[: min(place for place in map(pattern.find, _WILDCARDS) if place >= 0)]
    return "".join(f"!{each}" if each in "!%_" else each for each in begin) + "%"


def facts_of_package(connection: Connection, pattern: str) -> set[int]:
    """Facts about a package: by a glob for its name, as any scanner calls it, or for its package URL."""
    columns = (facts.c.id, facts.c.purl, facts.c.package, facts.c.version)
    about: dict[tuple[str, str, str], list[int]] = {}
    for id_, *package in connection.execute(select(*columns).where(facts.c.package != "")):
        about.setdefault((package[0], package[1], package[2]), []).append(id_)
    matches = means(pattern)
    return {id_ for package, ids in about.items() if matches(*package) for id_ in ids}


def states_with(connection: Connection, wanted: Iterable[int] | None) -> dict[int, tuple[int, str]]:
    """The targets and scans that have, or had, any of these facts (None for any at all), by their number."""
    found: dict[int, tuple[int, str]] = {}
    facts_ = None if wanted is None else sorted(wanted)
    for state, target, scan in rows_by(connection, findings.c.fact_id, facts_, _STATES):
        found[state] = target, scan
    return found


def indexes_of(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """Digests of the indexes that led to targets, by the targets' numbers."""
    found: dict[int, tuple[str, ...]] = {}
    for row in rows_by(connection, target_digests.c.target_id, ids, _INDEXES):
        found[row.target_id] = (*found.get(row.target_id, ()), row.digest)
    return found


def scores_of(connection: Connection, names: Iterable[str]) -> dict[str, float]:
    """EPSS as the newest run that told it has it, by `spell_id` of each id."""
    wanted = {spell_id(name) for name in names}
    return {row.name: row.epss for row in rows_by(connection, scores.c.name, wanted, _SCORES)}
