"""Metrics of events from outside: what became of them, and how many wait; senders are those of the configuration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.store.inbox.messages import InboxCounts


class EventMetrics:
    """Counts events by sender and by what became of them, and shows how the inbox stands.

    Args:
        registry: where they are shown.
        counts: how the inbox stood when it was last looked at; None before.
    """

    def __init__(self, registry: CollectorRegistry, counts: Callable[[], InboxCounts | None]) -> None:
        self._events = Counter(
            "scanmatrix_events", "Events from outside, by what became of them", ("sender", "outcome"), registry=registry
        )
        shown = (
            ("waiting", "Events that wait for their turn", lambda found: found.waiting),
            ("running", "Events whose run is under way", lambda found: found.running),
            ("unsent", "CloudEvents that sinks are still to be sent", lambda found: found.unsent),
            (
                "oldest_seconds",
                "How long the oldest event has been waiting",
                lambda found: max(0.0, time.time() - found.oldest) if found.oldest else 0.0,
            ),
        )
        for name, what, read in shown:
            gauge = Gauge(f"scanmatrix_events_{name}", what, registry=registry)
            gauge.set_function(lambda read=read: read(found) if (found := counts()) else 0.0)  # type: ignore[misc]

    def count(self, sender: str, outcome: str, number: int) -> None:
        """Count events.

        Args:
            sender: its name; empty where several may have been meant.
            outcome: `accepted`, a reason of `Unwanted`, or an `InboxOutcome`.
            number: how many.
        """
        self._events.labels(sender or "any", str(outcome)).inc(number)
