"""What every request shares: the configuration, the store that stays open, and a bounded number of questions."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import anyio
from anyio import to_thread
from fastapi import Request

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.collecting import collected_as_served
from orchestrator.kit.guarding import guarded
from orchestrator.queries.kept import PATIENCE, KeptStore, keeping
from orchestrator.queries.opening import OWNERS, seen_here
from orchestrator.scanners.rules import volume_of
from orchestrator.service.rest.problems import BusyError
from orchestrator.store.deadlines import within
from orchestrator.store.inbox.store import InboxStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator
    from contextlib import AbstractContextManager

    from anyio import CapacityLimiter

    from orchestrator.config.loading import Config
    from orchestrator.queries.store import Store
    from orchestrator.service.rest.settings import ServeSettings
    from orchestrator.volume.layout import Volume

T = TypeVar("T")
# Answers that are kept, and rows of all of them; the last one is, however long: its next pages are asked for.
_KEPT_ANSWERS, _KEPT_ROWS, _ROW_CHARACTERS = 256, 200_000, 250
_log = logging.getLogger(__name__)


class _KeptAnswer(NamedTuple):
    revision: str
    value: Any
    rows: int


class ServiceState:
    """What every request shares; made once for each process.

    Attributes:
        config: of the service: volume, store, scans, engine.
        settings: its bounds.
        volume: where the runs lie.
        kept: the store, and what imports what ended.
        inbox: the store as events from outside use it.
        stopping: set when the service is to end; streams end by it.
        spanning: makes the span of a question or a change, by its name; where nothing is traced, nothing.
    """

    def __init__(self, config: Config, settings: ServeSettings, kept: KeptStore, inbox: InboxStore) -> None:
        self.config = config
        self.settings = settings
        self.volume: Volume = volume_of(config)
        self.kept = kept
        self.inbox = inbox
        self.stopping = threading.Event()
        self.spanning: Callable[[str], AbstractContextManager[object]] = nullcontext
        # Apart, so that plans which wait for a registry keep nobody from an answer, nor a probe.
        self._turns = anyio.CapacityLimiter(settings.questions)
        self._works = anyio.CapacityLimiter(settings.works)
        self._trouble = ""
        self._answers: OrderedDict[Hashable, _KeptAnswer] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """The store as the caller may see it, for questions that no function of `orchestrator.api` asks."""
        return seen_here(self.kept.store)

    @property
    def waiting(self) -> int:
        """Questions, and works, that wait for their turn."""
        return sum(turns.statistics().tasks_waiting for turns in (self._turns, self._works))

    async def ask(
        self, question: Callable[..., T], *args: Any, owners: Collection[str] | None = None, **named: Any
    ) -> T:
        """Answer a question in a thread of its own, within the time that one may take.

        Whatever in it opens the store of the configuration, as the functions of `orchestrator.api` do, is given the one
        that is open.

        Args:
            question: the function that answers it.
            args: of it.
            owners: as only these may see it: `Caller.owners`; None for all.
            named: further arguments.

        Raises:
            BusyError: too many others wait, or what the volume has is not imported (yet).
            StoreSlowError: it took too long.
        """
        if not self.kept.filled:
            if self._trouble:
                raise BusyError(f"what lies on the volume cannot be imported, which is tried again: {self._trouble}")
            raise BusyError("the service has just started and is importing what lies on the volume; ask again soon")
        end = time.monotonic() + self.settings.query_seconds

        def answer() -> T:
            """The answer, in time."""
            with within(end - time.monotonic()):
                return question(*args, **named)

        return await self._run(question, answer, owners, self._turns)

    async def do(self, work: Callable[..., T], *args: Any, owners: Collection[str] | None = None, **named: Any) -> T:
        """The same for what changes something, such as starting a run: it may last, and needs no full store.

        Raises:
            BusyError: too many others wait.
        """
        return await self._run(work, lambda: work(*args, **named), owners, self._works)

    async def _run(
        self, what: Callable[..., Any], work: Callable[[], T], owners: Collection[str] | None, turns: CapacityLimiter
    ) -> T:
        if turns.statistics().tasks_waiting >= self.settings.waiting:
            raise BusyError("too many questions wait for their turn; ask again soon")

        def run() -> T:
            with self.kept.here(owners), self.spanning(_name(what)), guarded(f"answering {_name(what)}"):
                return work()

        return await to_thread.run_sync(run, limiter=turns, abandon_on_cancel=True)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """An answer that is kept until the store holds something else; for use in a question.

        Args:
            key: what tells it from other answers.
            make: makes it.
        """
        revision = self.kept.store.revision()
        key = (OWNERS.get(), key)
        with self._lock:
            if (known := self._answers.get(key)) is not None and known.revision == revision:
                self._answers.move_to_end(key)
                value: T = known.value
                return value
        value = make()
        made = _KeptAnswer(revision, value, _rows_of(value))
        with self._lock:
            self._answers.pop(key, None)
            self._answers[key] = made
            rows = sum(each.rows for each in self._answers.values())
            while len(self._answers) > _KEPT_ANSWERS or (rows > _KEPT_ROWS and len(self._answers) > 1):
                _, gone = self._answers.popitem(last=False)
                rows -= gone.rows
        return value

    def see(self, run: str) -> None:
        """Import a run that has just ended; what fails here, `keep_filled` tries again."""
        try:
            with guarded(f"importing run {run}"):
                self.kept.take_in(run)
        except (ScanmatrixError, OSError) as error:
            _log.warning("run %s: %s", run, error, extra={"run": run})

    async def keep_filled(self) -> None:
        """Import what ends, again and again, until the service is stopped; trouble is logged once, and tried again."""
        while not self.stopping.is_set():
            trouble = await to_thread.run_sync(self._refresh, abandon_on_cancel=True)
            if trouble and trouble != self._trouble:
                _log.warning("runs that ended cannot be imported: %s", trouble)
            elif self._trouble and not trouble:
                _log.warning("runs that ended are imported again")
            self._trouble = trouble
            await anyio.sleep(self.settings.refresh_seconds)

    def _refresh(self) -> str:
        try:
            with guarded("importing runs that ended"):
                self.kept.refresh()
        except (ScanmatrixError, OSError) as error:
            return str(error)
        return ""


@contextmanager
def serving(config: Config, settings: ServeSettings) -> Iterator[ServiceState]:
    """The state of a service, whose store is open in the block.

    Args:
        config: names volume and store.
        settings: its bounds.

    Raises:
        StoreUrlError: the store's URL cannot be used, or its driver is not installed.
    """
    opened = keeping(volume_of(config), config)
    with collected_as_served(), opened as kept, InboxStore.of(config, patience=PATIENCE) as inbox:
        yield ServiceState(config, settings, kept, inbox)


def state_of(request: Request) -> ServiceState:
    """The state, for routes: `state: Annotated[ServiceState, Depends(state_of)]`."""
    found: ServiceState = request.app.state.service
    return found


def _rows_of(value: object) -> int:
    """How many rows an answer has; of one that is drawn already, as many as take its room."""
    if isinstance(value, str):
        return 1 + len(value) // _ROW_CHARACTERS
    return sum(map(_rows_of, value)) if type(value) in {list, tuple} else 1  # type: ignore[call-overload]


def _name(work: Callable[..., Any]) -> str:
    return getattr(work, "__qualname__", "a question").replace(".<locals>", "")
