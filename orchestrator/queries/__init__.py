"""Questions across runs, each answered once: who has what, what changed, what is stale, how runs ended.

    with asking(volume, config) as store:
        store.who_has("CVE-2021-44228")

`Store` is a database with these answers. Both are loaded when they are first used, because SQLAlchemy takes a
quarter of a second.
"""

from typing import TYPE_CHECKING

from orchestrator.kit.lazy import lazy

if TYPE_CHECKING:
    from orchestrator.queries.opening import asking
    from orchestrator.queries.store import Store

__all__ = ["Store", "asking"]

__getattr__ = lazy(__name__, {"Store": "orchestrator.queries.store", "asking": "orchestrator.queries.opening"})
