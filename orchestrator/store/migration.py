"""Bringing the tables up to date, and refusing a database whose tables are not of this program's version."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, PrimaryKeyConstraint, String, Table, inspect, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from orchestrator.kit.advice import ours
from orchestrator.store.columns import metadata
from orchestrator.store.connection import mask
from orchestrator.store.documents import SchemaError

# ruff: noqa: PLC0415 - Alembic takes 0.1 s to import, and only older tables need it

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

#: Alembic's own table, as it makes it (https://alembic.sqlalchemy.org); it is made before all others.
_VERSIONS = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_SCRIPTS = Path(__file__).with_name("migrations")
# Alembic's revisions work with one connection of the whole process.
_REVISING = threading.Lock()


def revision(connection: Connection) -> str:
    """The revision of a database's tables; empty where there are none."""
    if told := _told_revision(connection):
        return told
    if not inspect(connection).has_table(_VERSIONS.name):
        return ""
    return connection.scalar(select(_VERSIONS.c.version_num)) or ""


@cache
def newest_revision() -> str:
    """The revision that this program works with: that of the last file, as a test sees to."""
    return max(path.stem.removeprefix("revision_") for path in (_SCRIPTS / "versions").glob("revision_*.py"))


def check(connection: Connection) -> None:
    """See that the tables are those of this program.

    Raises:
        SchemaError: they are older or newer, or there are none.
    """
    if _told_revision(connection) == newest_revision():
        return
    found = revision(connection)
    place = mask(connection.engine.url)
    _refuse_newer(found, place)
    state = f"its tables are of the older revision {found}" if found else "it has no tables yet"
    raise SchemaError(f"{place}: {state}; run {ours('store', 'migrate')}")


def migrate(connection: Connection) -> tuple[str, str]:
    """Bring the tables up to date; does nothing when they are.

    Args:
        connection: of the only writer.

    Returns:
        The revision before and the one after.

    Raises:
        SchemaError: the tables are newer than this program, or are not ours.
    """
    newest = newest_revision()
    if _told_revision(connection) == newest:
        return newest, newest
    found = revision(connection)
    place = mask(connection.engine.url)
    _refuse_newer(found, place)
    if not found:
        _clear_unfinished(connection, place)
        _make_tables(connection, newest)
    else:
        _upgrade(connection)
    return found, newest


def _told_revision(connection: Connection) -> str | None:
    """The revision where there surely is one: a tenth of what `revision` costs, and asked before every question."""
    try:
        return connection.scalar(select(_VERSIONS.c.version_num))
    except (ProgrammingError, OperationalError) as error:
        if error.connection_invalidated:
            raise
        connection.rollback()
        return None


def _make_tables(connection: Connection, newest: str) -> None:
    """Make all tables of an empty database as they are now: there are no rows for revisions to carry over.

    The revision is written last, so that what was cut off is begun again.
    """
    # Tables that only some commands work with belong to the metadata as well.
    from orchestrator.store.cell_queue import tables as _queue  # noqa: F401
    from orchestrator.store.inbox import tables as _inbox  # noqa: F401

    connection.rollback()
    _VERSIONS.create(connection, checkfirst=True)
    metadata.create_all(connection)
    connection.execute(_VERSIONS.insert().values(version_num=newest))
    connection.commit()


def _upgrade(connection: Connection) -> None:
    """Bring tables up to date revision by revision, with the rows in them."""
    from alembic import command
    from alembic.config import Config

    connection.rollback()
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with _REVISING:
        command.upgrade(config, "head")
    connection.commit()


def _clear_unfinished(connection: Connection, place: str) -> None:
    """Take away what a first migration left that was cut off: MariaDB and MySQL cannot undo the making of tables."""
    present = set(inspect(connection).get_table_names())
    ours = [each for each in metadata.sorted_tables if each.name in present]
    if not ours:
        return
    if _VERSIONS.name not in present or any(connection.execute(select(each).limit(1)).first() for each in ours):
        raise SchemaError(
            f"{place}: it has tables of names that the store uses, but no revision of them; give it a database of"
            " its own"
        )
    metadata.drop_all(connection, tables=ours)
    connection.commit()


def _refuse_newer(found: str, place: str) -> None:
    if found and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaError(
            f"{place}: its tables are of revision {found}, which this version does not know: a newer scanmatrix made"
            " them; upgrade this one, or use another database (store.url; without it: remove store.sqlite3 from the"
            " volume), which is built again from the volume"
        )


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(_SCRIPTS))
