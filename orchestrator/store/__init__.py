"""Results of all runs in a database: SQLite by default, PostgreSQL and MariaDB or MySQL by URL.

    with Database.of(config) as database:
        database.take_in_all(volume)

What is asked of it stands in `orchestrator.queries`, whose `Store` is a database with answers.

The volume stays what results rest on: whatever the store lacks is taken in from there, in any order, and any number of
times. `Database` is loaded when it is first used, because SQLAlchemy takes a quarter of a second.
"""

from typing import TYPE_CHECKING, Any

from orchestrator.store.interface import (
    DamagedRunError,
    SchemaError,
    StoreError,
    StoreGoneError,
    StoreUrlError,
    Version,
    Workload,
)

if TYPE_CHECKING:
    from orchestrator.store.database import Database

__all__ = [
    "DamagedRunError",
    "Database",
    "SchemaError",
    "StoreError",
    "StoreGoneError",
    "StoreUrlError",
    "Version",
    "Workload",
]


def __getattr__(name: str) -> Any:
    """Load what needs SQLAlchemy."""
    if name == "Database":
        from orchestrator.store.database import Database  # noqa: PLC0415

        return Database
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
