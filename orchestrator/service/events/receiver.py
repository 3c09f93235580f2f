"""Accepts events: which of them a rule is about, and those once, kept before their sender is answered."""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

import anyio
from anyio import to_thread

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.matching import any_glob
from orchestrator.receiving.messages import Unwanted
from orchestrator.receiving.rules import rule_for
from orchestrator.service.rest.problems import BusyError
from orchestrator.store.inbox.messages import JOBS, AcceptedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestrator.config.events import EventsSection
    from orchestrator.receiving.messages import ReceivedEvent
    from orchestrator.store.inbox.store import InboxStore

#: In place of a reason: it is kept, and will be worked on.
ACCEPTED = "accepted"
#: Events after which a transaction takes no further request, and events that may wait for theirs.
_TOGETHER, _MOST_WAITING = 500, 20_000
#: Bytes of the data of an event that may start jobs: it is kept whole.
_MOST_OF_JOB = 512 * 1024
_log = logging.getLogger(__name__)


class Receipt(NamedTuple):
    """What became of the events of a request.

    Attributes:
        accepted: how many are kept.
        ignored: how many are not, by reason.
    """

    accepted: int
    ignored: dict[str, int]


class _Waiting(NamedTuple):
    """Events of a request, and what tells it that they are kept, or why not."""

    events: tuple[AcceptedEvent, ...]
    done: anyio.Event
    answer: list[frozenset[str] | Exception]


class EventReceiver:
    """Keeps events. Those of requests that come at the same time are written together, so that one commit serves all.

    Args:
        section: the rules.
        inbox: where they are kept.
        count: told of each event its sender and what became of it.
        wake: called when something new is kept.
    """

    def __init__(
        self,
        section: EventsSection,
        inbox: InboxStore,
        *,
        count: Callable[[str, str, int], None],
        wake: Callable[[], None],
    ) -> None:
        self._section = section
        self._inbox = inbox
        self._count = count
        self._wake = wake
        self._waiting: deque[_Waiting] = deque()
        self._held = 0
        self._more = anyio.Event()

    async def receive(self, sender: str, events: Sequence[ReceivedEvent]) -> Receipt:
        """Keep those events of a request that a rule is about.

        Args:
            sender: its name in the configuration.
            events: in the order in which they were sent.

        Raises:
            FullInboxError: too many wait to be worked on.
            BusyError: too many wait to be kept.
            StoreGoneError: the database does not answer; nothing is kept.
        """
        ignored: Counter[str] = Counter()
        wanted: dict[str, AcceptedEvent] = {}
        several: list[set[str]] = []
        for event in events:
            found = self._all_wanted(event, sender)
            if isinstance(found, Unwanted):
                ignored[found] += 1
                continue
            kept = {each.key: each for each in found}
            if kept.keys() <= wanted.keys():
                ignored[Unwanted.DUPLICATE] += 1
            else:
                wanted |= {key: each for key, each in kept.items() if key not in wanted}
                several.append(set(kept))
        new = await self._keep(tuple(wanted.values())) if wanted else frozenset()
        accepted = sum(not keys.isdisjoint(new) for keys in several)
        if known := len(several) - accepted:
            ignored[Unwanted.DUPLICATE] += known
        for reason, number in {**ignored, ACCEPTED: accepted}.items():
            if number:
                self._count(sender, reason, number)
        if new:
            self._wake()
        return Receipt(accepted, {str(reason): number for reason, number in ignored.items()})

    def _all_wanted(self, event: ReceivedEvent, sender: str) -> list[AcceptedEvent] | Unwanted:
        """What is done about an event: a scan, jobs, or both; else why nothing is."""
        job = self._job(event, sender)
        if isinstance(job, AcceptedEvent) and event.push is None:
            return [job]
        scan = self._wanted(event, sender)
        found = [each for each in (scan, job) if isinstance(each, AcceptedEvent)]
        return found or next(each for each in (job, scan) if isinstance(each, Unwanted))

    def _job(self, event: ReceivedEvent, sender: str) -> AcceptedEvent | Unwanted | None:
        """What may start jobs; None where jobs are not about such events.

        Raises:
            ForeignJsonError: its data is not the JSON that it claims to be.
        """
        jobs = self._section.jobs
        if jobs is None or not event.attributes or not any_glob((event.type,), jobs.events):
            return None
        if len(event.data) > _MOST_OF_JOB:
            _log.warning("event %s of %s has %d bytes, too many to start jobs", event.id, sender, len(event.data))
            return Unwanted.TOO_LARGE
        whole = event.whole().decode()
        return AcceptedEvent(event.job_key, event.source, event.id, sender, JOBS, None, (), whole)

    def _wanted(self, event: ReceivedEvent, sender: str) -> AcceptedEvent | Unwanted:
        if event.push is None:
            reason = event.unwanted or Unwanted.NO_PUSH
            _log.info("an event of %s is of no use (%s): %s", sender, reason, event.why)
            return reason
        rule = rule_for(event.push, sender, self._section.rules)
        if rule is None:
            return Unwanted.NO_RULE
        return AcceptedEvent(event.key, event.source, event.id, sender, rule.name, event.push, rule.scans)

    async def _keep(self, events: tuple[AcceptedEvent, ...]) -> frozenset[str]:
        if self._held >= _MOST_WAITING:
            raise BusyError("too many events wait to be kept; send this one again soon")
        mine = _Waiting(events, anyio.Event(), [])
        self._waiting.append(mine)
        self._held += len(events)
        self._more.set()
        await mine.done.wait()
        answer = mine.answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def run(self) -> None:
        """Write what waits, again and again, until it is cancelled; who still waits then is asked to send again."""
        try:
            while True:
                await self._more.wait()
                self._more = anyio.Event()
                while some := self._some():
                    await self._write(some)
        finally:
            _answer(self._waiting, BusyError("the service is ending; send this event again"))

    def _some(self) -> list[_Waiting]:
        some, number = [], 0
        while self._waiting and number < _TOGETHER:
            some.append(self._waiting.popleft())
            number += len(some[-1].events)
        self._held -= number
        return some

    async def _write(self, some: list[_Waiting]) -> None:
        events = [event for one in some for event in one.events]
        try:
            with anyio.CancelScope(shield=True):
                kept = await to_thread.run_sync(self._accept, events)
        except (ScanmatrixError, OSError) as error:
            _answer(some, error)
            return
        left = set(kept)
        for one in some:
            # Of two requests with the same event, the first one brought it.
            mine = frozenset(event.key for event in one.events if event.key in left)
            left -= mine
            _answer([one], mine)

    def _accept(self, events: list[AcceptedEvent]) -> frozenset[str]:
        section = self._section
        with guarded("keeping events"):
            done = self._inbox.accept(events, settle=section.settle, most=section.waiting)
        if done.superseded:
            self._count("", Unwanted.SUPERSEDED, done.superseded)
        return done.new


def _answer(some: Iterable[_Waiting], answer: frozenset[str] | Exception) -> None:
    for one in some:
        one.answer.append(answer)
        one.done.set()
