"""How fresh everything is, written where the controller of a custom resource reads it: into a ConfigMap."""

from __future__ import annotations

import time
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo import names
from orchestrator.kit.text import visible
from orchestrator.model import Document

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.cluster.namespaced import NamespacedObjects
    from orchestrator.store.backlog.messages import Backlog

_LONGEST = 300
#: Seconds after which a state is written that has not changed.
_AGAIN = 30.0


class SchedulerState(Document, frozen=True):
    """How fresh everything is, as the scheduler says it.

    Attributes:
        configuration: digest of the configuration that the scheduler has.
        fresh: cells that have a result that is good for now.
        due: cells that wait for a place among the runs in flight.
        held: cells that failed, and wait for the time to be tried again.
        in_flight: cells that are in a run.
        reason: why the first of the held ones failed.
        next_due: when the next result becomes stale, or the next failed cell is tried.
    """

    configuration: str
    fresh: int = 0
    due: int = 0
    held: int = 0
    in_flight: int = 0
    reason: str = ""
    next_due: datetime | None = None


def state_of(backlog: Backlog, configuration: str) -> SchedulerState:
    """The state that a backlog shows."""
    return SchedulerState(
        configuration=configuration,
        fresh=backlog.count("fresh"),
        due=backlog.count("due"),
        held=backlog.count("held"),
        in_flight=backlog.count("in_flight"),
        reason=visible(backlog.held[0].reason, _LONGEST) if backlog.held else "",
        next_due=backlog.next_due,
    )


class StateKeeper:
    """Writes the state when it has changed; and the same one again after a while.

    For another pod may have written since, such as one of an earlier configuration that was about to end, or somebody
    has deleted the ConfigMap. The API server writes nothing where it has that state already.

    Args:
        there: the namespace of the ConfigMap.
        name: of the ConfigMap, which is there already.
        configuration: digest of the configuration.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        there: NamespacedObjects,
        name: str,
        configuration: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._there = there
        self._name = name
        self._configuration = configuration
        self._clock = clock
        self._written: SchedulerState | None = None
        self._when = 0.0

    def keep(self, backlog: Backlog) -> None:
        """Write it, where it differs from what was written last, or that is some time ago."""
        state, now = state_of(backlog, self._configuration), self._clock()
        if state != self._written or now - self._when >= _AGAIN:
            data = {names.STATE_KEY: msgspec.json.encode(state).decode()}
            self._there.patch("ConfigMap", self._name, {"data": data})
            self._written, self._when = state, now
