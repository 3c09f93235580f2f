"""Bringing the tables up to date, and refusing a database whose tables are not of this program's version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from orchestrator.results.store.connection import mask
from orchestrator.results.store.interface import SchemaError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SCRIPTS = Path(__file__).with_name("migrations")


def revision(connection: Connection) -> str:
    """The revision of a database's tables; empty where there are none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def newest_revision() -> str:
    """The revision that this program works with."""
    return _scripts().get_current_head() or ""


def check(connection: Connection) -> None:
    """See that the tables are those of this program.

    Raises:
        SchemaError: they are older or newer, or there are none.
    """
    found = revision(connection)
    if found == newest_revision():
        return
    place = mask(connection.engine.url)
    _refuse_newer(found, place)
    state = f"its tables are of the older revision {found}" if found else "it has no tables yet"
    raise SchemaError(f"{place}: {state}; run `scanmatrix store migrate`")


def migrate(connection: Connection) -> tuple[str, str]:
    """Bring the tables up to date; does nothing when they are.

    Args:
        connection: of the only writer.

    Returns:
        The revision before and the one after.

    Raises:
        SchemaError: the tables are newer than this program, or are not ours.
    """
    found, newest = revision(connection), newest_revision()
    place = mask(connection.engine.url)
    if found == newest:
        return found, newest
    _refuse_newer(found, place)
    if not found and inspect(connection).has_table("targets"):
        raise SchemaError(f"{place}: it has tables of another program; give the store a database of its own")
    connection.rollback()
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
    return found, newest


def _refuse_newer(found: str, place: str) -> None:
    if found and found not in {script.revision for script in _scripts().walk_revisions()}:
        raise SchemaError(
            f"{place}: its tables are of revision {found}, which this version does not know: a newer scanmatrix made"
            " them; bring this one up to date"
        )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_SCRIPTS))
