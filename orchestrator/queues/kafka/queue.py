"""The queue: the store's, and messages that wake workers."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING, Self

from orchestrator.queues.kafka.connection import BrokerConnection, BrokerError, BrokerGoneError, BrokerRefusedError
from orchestrator.queues.kafka.hearing import HintListener
from orchestrator.queues.kafka.sending import HintSender
from orchestrator.queues.kafka.topics import Topics
from orchestrator.store.cell_queue.hinted import HintedQueueStore, WaitingCell

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.store.cell_queue.messages import CellLease, Handover, QueueOffer, Swept

_log = logging.getLogger(__name__)
#: Seconds that importing results may wait, see `orchestrator.queues.store`.
_PATIENCE = 30.0
#: Seconds after which a worker that nobody wakes looks for itself: a message may have gone to one that is busy, or have
#: got lost, or the broker may be away.
_SELF = 5.0
#: Seconds to wait for the broker to take any message: of a run that is handed over, and of a cell that is given back.
_SEND, _SEND_ONE = 10.0, 2.0
#: Seconds between two looks for cells that nobody was woken for, by all who look together; after one that failed; and
#: after which a run that was handed over should have its messages.
_REPAIR, _LATER, _YOUNG = 10.0, 30.0, 10
#: Messages that one such look sends.
_MOST = 20_000


class KafkaQueue(HintedQueueStore):
    """The queue in the store, whose workers a broker wakes.

    A message is a hint, and no lease: by following the store's own order a worker keeps to priorities, batches and
    versions, whatever came in which order, and a message that was lost, doubled or foreign changes nothing.
    """

    _connection: BrokerConnection
    _topics: Topics
    _sender: HintSender
    _starting: threading.Lock
    _listener: HintListener | None = None
    _offer: QueueOffer
    _next_repair = 0.0

    @classmethod
    def of(cls, config: Config, *, patience: float = _PATIENCE) -> Self:
        """The queue of a configuration; nothing is connected yet."""
        queue = super().of(config, patience=patience)
        queue._connection = BrokerConnection.of(config)  # noqa: SLF001 - its own
        queue._topics = Topics(queue._connection)  # noqa: SLF001
        queue._sender = HintSender(queue._connection)  # noqa: SLF001
        queue._starting = threading.Lock()  # noqa: SLF001
        return queue

    def __exit__(self, *error: object) -> None:
        if self._listener is not None:
            self._listener.close()
        self._sender.close()
        self._topics.close()
        super().__exit__(*error)

    def hand_over(self, order: Handover) -> bool:
        """See `CellQueue`; while the broker is away, workers find the cells without it.

        Raises:
            BrokerRefusedError: there is no topic for a scan, and none may be made.
        """
        scans = {cell.scan for cell in order.cells}
        is_away = self._is_away(scans)
        is_new = super().hand_over(order)
        if is_new and not is_away:
            self._send(self.waiting_in(order.run), f"run {order.run}")
        return is_new

    def _is_away(self, scans: Collection[str]) -> bool:
        try:
            self._topics.make_sure(scans)
        except BrokerGoneError as error:
            _log.warning("cells are handed over all the same, and workers find them within seconds: %s", error)
            self._next_repair = time.monotonic() + _LATER
            return True
        return False

    def take(self, offer: QueueOffer, *, lease: int) -> CellLease | None:
        """See `CellQueue`; what comes from now on wakes the worker again."""
        self._offer = offer
        with self._starting:
            if self._listener is None:
                self._listener = HintListener(self._connection, self._topics, offer.scans, self._waiting_here)
        self._listener.came.clear()
        return super().take(offer, lease=lease)

    def _waiting_here(self, cells: Collection[int]) -> frozenset[int]:
        return self.still_waiting(self._offer, cells)

    def wait(self, stop: threading.Event, pause: float) -> None:
        """See `CellQueue`: until a message comes; a worker that gets none looks for itself after some seconds."""
        end = time.monotonic() + max(pause, _SELF)
        while self._listener is not None and not stop.is_set() and (left := end - time.monotonic()) > 0:
            if self._listener.came.wait(min(left, 0.25)):
                return

    def begin_next_batch(self, run: str) -> bool:
        """See `CellQueue`."""
        begins = super().begin_next_batch(run)
        if begins:
            self._send(self.waiting_in(run), f"run {run}")
        return begins

    def give_back(self, lease: CellLease) -> bool:
        """See `CellQueue`."""
        is_ours = super().give_back(lease)
        if is_ours:
            cell = WaitingCell(lease.id, lease.run, lease.target, lease.scan)
            self._send([cell], f"{lease.target}/{lease.scan}", patience=_SEND_ONE)
        return is_ours

    def sweep(self, *, lease: int, most_attempts: int) -> Swept:
        """See `CellQueue`; messages that got lost are sent again."""
        swept = super().sweep(lease=lease, most_attempts=most_attempts)
        if swept.returned or time.monotonic() >= self._next_repair:
            # All who look, look once in a while together; now and then two do, and a cell has two messages.
            others = max(1, len(self.workers()))
            self._next_repair = time.monotonic() + _REPAIR * others * random.uniform(0.5, 1.5)  # noqa: S311
            try:
                self._repair()
            except BrokerError as error:
                self._next_repair = time.monotonic() + _LATER
                _log.info("messages that got lost are sent later: %s", error)
        return swept

    def _repair(self) -> None:
        """Send as many messages as there are fewer than cells that wait; none for versions that nobody here takes."""
        offered = {version for worker in self.workers() for version in worker.scans.values()}
        named = {scan for worker in self.workers() for scan in worker.scans}
        waiting: dict[str, dict[str, int]] = {}
        for (scan, version), count in self.waiting_longer(_YOUNG).items():
            if version in offered or scan not in named:
                waiting.setdefault(scan, {})[version] = count
        for scan, versions in waiting.items():
            lacking = sum(versions.values()) - self._topics.lag(scan)
            if lacking > 0:
                cells = self.last_waiting(scan, versions, min(lacking, _MOST))
                _log.info("%d of %d cells of %s that wait have no message", lacking, sum(versions.values()), scan)
                self._send(cells, scan)

    def _send(self, cells: Sequence[WaitingCell], what: str, *, patience: float = _SEND) -> None:
        """Send messages; those that the broker does not take are sent again later, and workers look for themselves."""
        try:
            self._topics.make_sure({cell.scan for cell in cells})
        except (BrokerGoneError, BrokerRefusedError) as error:
            _log.warning("workers find the cells of %s within seconds, as nobody wakes them: %s", what, error)
            return
        if lost := self._sender.send(cells, self._topics.partitions, patience=patience):
            self._next_repair = time.monotonic() + _LATER
            _log.warning(
                "workers find %d cells of %s within seconds, as the broker %s took no message for them: %s",
                lost, what, self._connection.place, self._sender.why,
            )  # fmt: skip
