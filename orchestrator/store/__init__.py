"""Results of all runs in a database: SQLite by default, PostgreSQL and MariaDB or MySQL by URL.

    with Store.of(config) as store:
        store.take_in_all(volume)
        store.who_has("CVE-2021-44228")

The volume stays what results rest on: whatever the store lacks is taken in from there, in any order, and any number of
times. `Store` is loaded when it is first used, because SQLAlchemy takes a quarter of a second.
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
    from orchestrator.store.database import Store

__all__ = [
    "DamagedRunError",
    "SchemaError",
    "Store",
    "StoreError",
    "StoreGoneError",
    "StoreUrlError",
    "Version",
    "Workload",
]


def __getattr__(name: str) -> Any:
    """Load what needs SQLAlchemy."""
    if name == "Store":
        from orchestrator.store.database import Store  # noqa: PLC0415

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
