"""Results of all runs in a database: SQLite by default, PostgreSQL and MariaDB or MySQL by URL.

    with StoreDatabase.of(config) as database:
        database.take_in_all(volume)

What is asked of it stands in `orchestrator.queries`, whose `Store` is a `StoreDatabase` with answers.

The volume stays what results rest on: whatever the store lacks is imported from there, in any order, and any number of
times. `StoreDatabase` is loaded when it is first used, because SQLAlchemy takes a quarter of a second.
"""

from typing import TYPE_CHECKING

from orchestrator.kit.lazy import lazy
from orchestrator.store.documents import (
    DamagedRunError,
    SchemaError,
    StoredWorkload,
    StoreError,
    StoreGoneError,
    StoreUrlError,
    Version,
)

if TYPE_CHECKING:
    from orchestrator.store.database import StoreDatabase

__all__ = [
    "DamagedRunError",
    "SchemaError",
    "StoreDatabase",
    "StoreError",
    "StoreGoneError",
    "StoreUrlError",
    "StoredWorkload",
    "Version",
]

__getattr__ = lazy(__name__, {"StoreDatabase": "orchestrator.store.database"})
