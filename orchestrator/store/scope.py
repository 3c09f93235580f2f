"""What some owners may see, decided once: below every question, so that none can forget it.

A statement that is read for owners sees, in place of each table, only those of its rows that are about their targets:
a common table expression of the table's own name stands before it, whatever the statement is and however deep a table
stands in it. A table without a rule here is refused, and so is every statement that writes.

What scanners say of vulnerabilities anywhere (`facts`, `fact_ids`, `scores`) is everybody's; who has which of them,
only `findings` say, and these are not. `event_counter` says that something changed, and not what.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from orchestrator.errors import PermanentError, UsageError
from orchestrator.store.columns import metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection, Engine

#: Most owners that one reader may be.
MOST_OWNERS = 100
_OPTION = "of_owners"
_PARAMETER = "of_owner_"

#: Which rows of a table they may see; each rule may use the tables before it, which are theirs already by then, and
#: with `whose` tables after it, as they are.
_RULES = {
    "names": "owner IN ({owners})",
    "targets": "id IN (SELECT target_id FROM names)",
    "states": "target_id IN (SELECT target_id FROM names)",
    "cells": "state_id IN (SELECT id FROM states)",
    "findings": "state_id IN (SELECT id FROM states)",
    "boms": "state_id IN (SELECT id FROM states)",
    "tags": "reference IN (SELECT reference FROM names)",
    # Every run that had a target of theirs, whatever the target was called then: what it found began or ended with it.
    "runs": "id IN (SELECT run_id FROM {whose}run_tags WHERE target_id IN (SELECT target_id FROM names))",
    "run_tags": "target_id IN (SELECT target_id FROM names) AND tag_id IN (SELECT id FROM tags)",
    "target_digests": "target_id IN (SELECT target_id FROM names)",
    "workload_targets": "target_id IN (SELECT target_id FROM names)",
    "workloads": "id IN (SELECT workload_id FROM workload_targets)",
    "wanted": "target_id IN (SELECT target_id FROM names)",
    "wanted_targets": "target_id IN (SELECT target_id FROM names)",
    "submissions": "id IN (SELECT submission_id FROM wanted)",
}
#: What a row says in place of what it has, where that tells of others' targets: a run is then counted from its cells.
_INSTEAD = {
    ("targets", "reference"): "(SELECT MIN(own.reference) FROM names own WHERE own.target_id = {table}.id)",
    ("runs", "summary"): "NULL",
    ("runs", "extent"): "NULL",
}
_EVERYBODYS = frozenset({"facts", "fact_ids", "scores", "scanner_rules", "scan_versions", "chores", "event_counter"})
_WORD = re.compile(r"\w+")
# Spelt by each database otherwise, and of no table: to begin, to set how one reads, and to ask for settings.
_OF_NO_TABLE = re.compile(r"(?:BEGIN|SET|SHOW|PRAGMA|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b", re.IGNORECASE)
_READS = re.compile(r"\s*(?:WITH\s+(RECURSIVE\s+)?(?=\w)|(?=\(*\s*SELECT\b))", re.IGNORECASE)
_HAS_WITH = re.compile(r"\s*WITH\b", re.IGNORECASE)


class ScopeError(PermanentError):
    """A statement that some owners may not make; a mistake of this program, which has shown nothing."""


def checked_owners(owners: Iterable[str]) -> tuple[str, ...]:
    """Owners in alphabetical order, each once.

    Raises:
        UsageError: they are too many.
    """
    wanted = tuple(sorted(set(owners) - {""}))
    if len(wanted) > MOST_OWNERS:
        raise UsageError(f"nobody may answer for more than {MOST_OWNERS} owners; this one does for {len(wanted)}")
    return wanted


def limit(connection: Connection, owners: tuple[str, ...]) -> None:
    """Let a connection read what these owners may see, and nothing else, until it is closed."""
    connection.execution_options(**{_OPTION: owners})


@contextmanager
def unlimited(connection: Connection) -> Iterator[None]:
    """Let a connection read everything in the block: for whether there is an answer at all, never for what is in it."""
    owners = connection.get_execution_options().get(_OPTION)
    connection.execution_options(**{_OPTION: None})
    try:
        yield
    finally:
        connection.execution_options(**{_OPTION: owners})


def watch(engine: Engine) -> None:
    """Have every statement of an engine follow `limit`."""
    event.listen(engine, "before_cursor_execute", _before, retval=True)


def _before(
    connection: Connection, _cursor: object, statement: str, parameters: Any, _context: object, many: bool
) -> tuple[str, Any]:
    owners = connection.get_execution_options().get(_OPTION)
    if owners is None or _OF_NO_TABLE.match(statement):
        return statement, parameters
    if many:
        raise ScopeError("owners may only read")
    by_name = isinstance(parameters, dict)
    style = connection.dialect.paramstyle
    if not by_name and style not in {"qmark", "format"}:
        raise ScopeError(f"parameters spelt as {style} are not known here")
    place = (connection.dialect.name, connection.engine.url.database or "")
    limited, times = _limited(statement, place, style, len(owners))
    if by_name:
        return limited, {**parameters, **{f"{_PARAMETER}{place}": owner for place, owner in enumerate(owners)}}
    return limited, (*owners * times, *parameters)


@lru_cache(maxsize=1024)
def _limited(statement: str, place: tuple[str, str], style: str, count: int) -> tuple[str, int]:
    """A statement that sees only what owners may, and how often their parameters stand before its own."""
    if (begin := _READS.match(statement)) is None:
        raise ScopeError(f"owners may only read, and this begins with {statement[:20]!r}")
    used = set(_WORD.findall(statement)) & metadata.tables.keys()
    if unknown := sorted(used - _RULES.keys() - _EVERYBODYS):
        raise ScopeError(f"nobody has decided who may see the table {unknown[0]}; {__name__} is the place")
    if not (used := used - _EVERYBODYS):
        return statement, 0
    pieces = {"qmark": "?", "format": "%s"}
    owners = [pieces.get(style, f"%({_PARAMETER}{place})s") for place in range(count)]
    # Who answers for nobody sees nothing.
    spelt = {"owners": ", ".join(owners) or "NULL"}
    needed = _needed(used)
    how = "" if place[0] in {"mariadb", "mysql"} else "NOT MATERIALIZED "
    tables = ", ".join(f"{table} AS {how}({_rows(table, place, spelt)})" for table in _RULES if table in needed)
    rest = statement[begin.end() :]
    times = 1 if count else 0
    if not _HAS_WITH.match(statement):
        return f"WITH {tables} {rest}", times
    if not begin[1]:
        return f"WITH {tables}, {rest}", times
    if place[0] == "postgresql":
        # Where everything is recursive, a name is what is being defined.
        return f"WITH {tables} SELECT * FROM (WITH RECURSIVE {rest}) AS answer", times  # noqa: S608 - all of it is ours
    return f"WITH RECURSIVE {tables}, {rest}", times


def _needed(used: set[str]) -> set[str]:
    """These tables, and those that their rules use."""
    found: set[str] = set()
    waiting = [*used]
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            also = [_RULES[table], *(text for (of, _), text in _INSTEAD.items() if of == table)]
            waiting += [word for text in also for word in _WORD.findall(text) if word in _RULES]
    return found


def _rows(table: str, place: tuple[str, str], spelt: dict[str, str]) -> str:
    """Its rows that they may see."""
    dialect, database = place
    quote = "`" if dialect in {"mariadb", "mysql"} else '"'
    # The table itself, where a database takes its name for what is being defined here.
    whose = {"sqlite": "main.", "postgresql": ""}.get(dialect, f"`{database.replace('`', '``').replace('%', '%%')}`.")
    columns = ", ".join(
        f"{_INSTEAD[table, name].format(table=table)} AS {quote}{name}{quote}"
        if (table, name) in _INSTEAD
        else f"{quote}{name}{quote}"
        for name in metadata.tables[table].columns.keys()  # noqa: SIM118 - not a dict
    )
    return f"SELECT {columns} FROM {whose}{table} WHERE {_RULES[table].format(**spelt, whose=whose)}"  # noqa: S608 - all of it is ours
