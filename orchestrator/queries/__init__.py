"""Questions across runs, each answered once: who has what, what changed, what is stale, how runs ended.

    with asking(volume, config) as store:
        store.who_has("CVE-2021-44228")

`Store` is a database with these answers. Both are loaded when they are first used, because SQLAlchemy takes a
quarter of a second.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.queries.opening import asking
    from orchestrator.queries.store import Store

__all__ = ["Store", "asking"]


def __getattr__(name: str) -> Any:
    """Load what needs SQLAlchemy."""
    if name == "Store":
        from orchestrator.queries.store import Store  # noqa: PLC0415

        return Store
    if name == "asking":
        from orchestrator.queries.opening import asking  # noqa: PLC0415

        return asking
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
