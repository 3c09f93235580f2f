"""Which targets and scans stand by a result that is not believed: marked when results come in, and when rules change.

A mark is worked out from the newest ok result of a target and scan; what it found stays, and stays in sight. The rules
are those of the process that imports runs; a digest of them tells whether all marks have to be worked out again.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, exists, select, update

from orchestrator.model.documents import spell_time
from orchestrator.scanners.distrust import Made, why
from orchestrator.scanners.rules import builtin_rules
from orchestrator.store.backlog.tables import scan_versions
from orchestrator.store.columns import clip
from orchestrator.store.dialects import among, batches, upsert
from orchestrator.store.events.recording import recording
from orchestrator.store.schema import LONGEST_REASON, scanner_rules, states

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from orchestrator.model import Distrust

_RULES = "rules"
#: By what scanners differ, as far as the store knows them.
_MADE_BY = (states.c.scan, states.c.scanner_image, states.c.scanner, states.c.scanner_version)


def suspicion(scan: str, values: Mapping[str, Any], rules: Iterable[Distrust]) -> dict[str, Any]:
    """The columns of a state that say whether its newest ok result is believed.

    Args:
        scan: of the state.
        values: columns of the cell that result is of.
        rules: about scanners.
    """
    moment = spell_time(datetime.fromtimestamp(values["at"], UTC))
    made = Made(scan, values["scanner_image"], (), values["scanner"], values["scanner_version"], moment, moment)
    reason = why(made, rules)
    return {"suspect": clip(reason, LONGEST_REASON), "suspect_at": values["at"] if reason else 0}


class Suspicions:
    """Which results are suspect by some rules; of a scanner that none of them is about, that is found out once."""

    def __init__(self, rules: Sequence[Distrust]) -> None:
        self._rules = rules
        self._doubtful: dict[tuple[str, str, str, str], bool] = {}

    def may_be(self, scan: str, image: str, scanner: str, version: str) -> bool:
        """The same as `doubtful`."""
        made_by = scan, image, scanner, version
        if made_by not in self._doubtful:
            self._doubtful[made_by] = doubtful(*made_by, self._rules)
        return self._doubtful[made_by]

    def of(self, scan: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """The same as `suspicion`."""
        if not self.may_be(scan, values["scanner_image"], values["scanner"], values["scanner_version"]):
            return {"suspect": "", "suspect_at": 0}
        return suspicion(scan, values, self._rules)


def doubtful(scan: str, image: str, scanner: str, version: str, rules: Iterable[Distrust]) -> bool:
    """Whether a result of such a scanner may be suspect: without a time, a rule about any time is about it."""
    return bool(why(Made(scan, image, (), scanner, version), rules))


def remark(connection: Connection, rules: Sequence[Distrust]) -> None:
    """Work out all marks again, if the rules are others than the last time.

    Args:
        connection: of the only writer, outside of a transaction.
        rules: about scanners, beside those built in.
    """
    digest = hashlib.sha256(msgspec.json.encode([*builtin_rules(), *rules])).hexdigest()
    with recording(connection) as events:
        if connection.scalar(select(scanner_rules.c.digest).where(scanner_rules.c.name == _RULES)) == digest:
            return
        marked = connection.execute(select(states.c.id).where(states.c.suspect_at > 0)).scalars().all()
        for some in batches(marked):
            clear = update(states).where(among(connection, states.c.id, some))
            connection.execute(clear.values(suspect="", suspect_at=0))
        groups = connection.execute(select(*_MADE_BY).where(states.c.ok_at > 0).distinct()).all()
        for scan, image, scanner, version in groups:
            if doubtful(scan, image, scanner, version, rules):
                _mark(connection, (scan, image, scanner, version), rules)
        upsert(connection, scanner_rules, ("name",), [{"name": _RULES, "digest": digest}])
        if groups:
            events.store("which results are believed")


def _mark(connection: Connection, made_by: tuple[str, ...], rules: Sequence[Distrust]) -> None:
    """Mark the results of one scanner, each by when it was made; its version is no news any more."""
    same = and_(*(column == value for column, value in zip(_MADE_BY, made_by, strict=True)))
    by_reason: dict[str, list[int]] = {}
    for row in connection.execute(select(states).where(same, states.c.ok_at > 0)).mappings():
        marks = suspicion(made_by[0], {**row, "at": row["ok_at"]}, rules)
        if marks["suspect"]:
            by_reason.setdefault(marks["suspect"], []).append(row["id"])
    for reason, ids in by_reason.items():
        for some in batches(ids):
            change = update(states).where(among(connection, states.c.id, some))
            connection.execute(change.values(suspect=reason, suspect_at=states.c.ok_at))
    for version in unbelieved_versions(connection, made_by[0]):
        columns = (scan_versions.c.scan, scan_versions.c.scanner_version, scan_versions.c.database_version)
        connection.execute(
            delete(scan_versions).where(*(column == value for column, value in zip(columns, version, strict=True)))
        )


def unbelieved_versions(connection: Connection, scan: str | None = None) -> set[tuple[str, str, str]]:
    """Scans with versions of scanner and database, by which no result was made that is believed.

    Args:
        connection: within a transaction.
        scan: only of this one.
    """
    columns = (states.c.scan, states.c.scanner_version, states.c.database_version)
    suspects = select(*columns).where(states.c.suspect_at > 0).distinct()
    if scan is not None:
        suspects = suspects.where(states.c.scan == scan)
    found = set()
    for row in connection.execute(suspects).all():
        same = (column == value for column, value in zip(columns, row, strict=True))
        believed = exists().where(*same, states.c.suspect_at == 0, states.c.ok_at > 0)
        if not connection.scalar(select(believed)):
            found.add((row.scan, row.scanner_version, row.database_version))
    return found
