"""When each wanted cell is due: out of how its target and scan stand, the rules, and the newest versions seen.

It can be worked out again at any time, so whatever it rests on may change: the rules, the clock, results that came by
another way.

    never tried                          at once
    could not be run, n times in a row   the nth pause after the last try
    failed n times in a row              the nth pause after the last failure
    skipped                              as if it were a result; what is not left out any more was never tried
    suspect, or of another question      at once; when it could not be made again since, the longest pause after that
    ok, by versions that are not the newest    when the result has the age from which on that counts
    ok                                   when the result is too old

Whatever the clocks of scanners say, a result counts from no earlier than the moment when the scheduler was done with
its cell, so that none is stale as it arrives. A moment of the future cannot be true: somebody's clock was wrong then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, false, func, literal, or_, select, update

from orchestrator.model import Outcome
from orchestrator.store.backlog.tables import scan_versions, wanted
from orchestrator.store.dialects import insert_new
from orchestrator.store.matrix import unanswered
from orchestrator.store.schema import states
from orchestrator.store.suspects import unbelieved_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection

    from orchestrator.store.backlog.messages import StaleRules

#: Seconds by which clocks may differ.
SKEW = 3600


def reckon(connection: Connection, rules: StaleRules, now: int, *conditions: ColumnElement[bool]) -> None:
    """Write down when wanted cells are due; those in a run are left alone.

    Args:
        connection: within a transaction.
        rules: what makes a result stale.
        now: by the clock of the database.
        conditions: which of `wanted`; all without any.
    """
    due = (
        select(_due(rules, now, newest_versions(connection))).where(states.c.id == wanted.c.state_id).correlate(wanted)
    )
    statement = update(wanted).where(wanted.c.submission_id == 0, *conditions)
    connection.execute(statement.values(due_at=due.correlate(wanted).scalar_subquery()))


def learn(connection: Connection, now: int) -> bool:
    """Note the versions of scanners and databases that results were made by; whether there were new ones."""
    key = (scan_versions.c.scan, scan_versions.c.scanner_version, scan_versions.c.database_version)
    known = {tuple(row) for row in connection.execute(select(*key))}
    columns = (states.c.scan, states.c.scanner_version, states.c.database_version)
    # The last one is the newest from then on, even when results of an older one come in later.
    seen = select(*columns).where(states.c.ok_at > 0).group_by(*columns).order_by(func.max(states.c.ok_at))
    new = [
        {"scan": row[0], "scanner_version": row[1], "database_version": row[2], "first_at": now}
        for row in map(tuple, connection.execute(seen))
        if row not in known
    ]
    doubtful = unbelieved_versions(connection) if new else set()
    new = [row for row in new if (row["scan"], row["scanner_version"], row["database_version"]) not in doubtful]
    for row in new:
        insert_new(connection, scan_versions, [row])
    return bool(new)


def newest_versions(connection: Connection) -> dict[str, tuple[str, str]]:
    """Versions of scanner and database that were last new, by scan."""
    last = select(func.max(scan_versions.c.id)).group_by(scan_versions.c.scan)
    rows = connection.execute(select(scan_versions).where(scan_versions.c.id.in_(last)))
    return {row.scan: (row.scanner_version, row.database_version) for row in rows}


def _due(rules: StaleRules, now: int, newest: Mapping[str, tuple[str, str]]) -> ColumnElement[int]:
    tried: ColumnElement[int] = case((wanted.c.tried_at <= now + SKEW, wanted.c.tried_at), else_=0)
    ok_at, last_at = _later(states.c.ok_at, tried, now), _later(states.c.last_at, tried, now)
    age = _by_scan(rules.ages, rules.default_age)
    soon = min(rules.version_age, rules.default_age)
    version_age = _by_scan({scan: min(rules.version_age, seconds) for scan, seconds in rules.ages.items()}, soon)
    void = or_(states.c.suspect_at > 0, _answers_another(rules))
    return case(
        (wanted.c.refusals > 0, tried + _pause(wanted.c.refusals, rules)),
        (states.c.failures > 0, last_at + _pause(states.c.failures, rules)),
        (and_(states.c.ok_at == 0, states.c.outcome == Outcome.SKIPPED.value), last_at + age),
        (states.c.ok_at == 0, 0),
        # Skipped since then: its scanner is not trusted yet.
        (and_(void, states.c.last_at > states.c.ok_at), last_at + rules.longest_retry),
        (void, 0),
        (_outdated(rules, newest), ok_at + version_age),
        else_=ok_at + age,
    )


def _later(moment: Any, tried: Any, now: int) -> ColumnElement[int]:
    return case((and_(moment <= now + SKEW, moment > tried), moment), else_=tried)


def _by_scan(values: Mapping[str, int], default: int) -> ColumnElement[int]:
    return case(dict(values), value=states.c.scan, else_=default) if values else literal(default)


def _pause(count: Any, rules: StaleRules) -> ColumnElement[int]:
    """How long the nth failure in a row waits."""
    pauses: dict[int, int] = {}
    pause = rules.first_retry
    while pause < rules.longest_retry:
        pauses[len(pauses) + 1] = pause
        pause *= 2
    return case(pauses, value=count, else_=rules.longest_retry) if pauses else literal(rules.longest_retry)


def _answers_another(rules: StaleRules) -> ColumnElement[bool]:
    found = [and_(states.c.scan == scan, unanswered(asked)) for scan, asked in rules.questions.items() if asked]
    return or_(false(), *found)


def _outdated(rules: StaleRules, newest: Mapping[str, tuple[str, str]]) -> ColumnElement[bool]:
    columns = {"scanner": states.c.scanner_version, "database": states.c.database_version}
    found = []
    for scan, versions in newest.items():
        new = dict(zip(columns, versions, strict=True))
        differ = [columns[what] != new[what] for what in columns if what in rules.versions]
        found.append(and_(states.c.scan == scan, or_(false(), *differ)))
    return or_(false(), *found)
