"""Posts what sinks are to be sent: each sink by itself, so that one that hangs holds up nobody else's."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import anyio

from orchestrator.service.events.sinks import KEPT_TRYING

if TYPE_CHECKING:
    from orchestrator.service.events.sinks import EventSinks
    from orchestrator.service.events.trying import Trying
    from orchestrator.store.inbox.messages import OutgoingEvent
    from orchestrator.store.inbox.store import InboxStore

#: CloudEvents that are posted to a sink at the same time, of as many runs.
_TOLD = 8
_PAUSE = 1.0
_log = logging.getLogger(__name__)


class EventPoster:
    """Posts to sinks what the inbox has for them; several replicas share it.

    Args:
        inbox: where it is kept.
        sinks: who is notified.
        holder: this replica.
        lease: seconds without a sign after which another one posts instead.
    """

    def __init__(self, inbox: InboxStore, sinks: EventSinks, *, holder: str, lease: int) -> None:
        self._inbox = inbox
        self._sinks = sinks
        self._holder = holder
        self._lease = lease

    async def run(self, trying: Trying) -> None:
        """Post until it is cancelled."""
        async with anyio.create_task_group() as tasks:
            for sink in self._sinks.names:
                tasks.start_soon(self._serve, sink, trying)

    async def _serve(self, sink: str, trying: Trying) -> None:
        take = partial(self._inbox.take_outgoing, self._holder, sink, lease=self._lease, most=_TOLD)
        limiter = anyio.CapacityLimiter(_TOLD)

        async def tell(outgoing: OutgoingEvent) -> None:
            await trying.do("telling a sink", partial(self._tell, outgoing), limiter=limiter)

        while True:
            taken = await trying.do("taking what a sink is to be sent", take) or ()
            async with anyio.create_task_group() as tasks:
                for outgoing in taken:
                    tasks.start_soon(tell, outgoing)
            if not taken:
                await anyio.sleep(_PAUSE)

    def _tell(self, outgoing: OutgoingEvent) -> None:
        wait = self._sinks.send(outgoing)
        if wait is None:
            self._inbox.mark_sent(outgoing)
        else:
            self._inbox.send_later(outgoing, wait)

    def forget(self) -> None:
        """Forget what no sink took within a day."""
        if number := self._inbox.forget_unsent(KEPT_TRYING):
            _log.warning("%d CloudEvents that no sink took within a day are forgotten", number)
