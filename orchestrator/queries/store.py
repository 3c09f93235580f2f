"""The store with its answers: every question across runs, anybody who asks it."""

from __future__ import annotations

from orchestrator.queries.found_store import FoundStore
from orchestrator.queries.fresh_store import FreshStore
from orchestrator.queries.listed_store import ListedStore


class Store(FoundStore, FreshStore, ListedStore):
    """Results of all runs in a database, and what can be asked of them.

    It answers out of what has been imported; `orchestrator.queries.asking` imports what a volume has first.
    """
