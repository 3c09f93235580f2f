"""A worker's sign of life for the cell that it has, and how it learns that the cell is not its own any more."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from orchestrator.errors import TemporaryError
from orchestrator.kit.retrying import Backoff

if TYPE_CHECKING:
    from types import TracebackType

    from orchestrator.engines.stop import Stop
    from orchestrator.queues.interface import CellQueue
    from orchestrator.store.cell_queue.messages import CellLease

_log = logging.getLogger(__name__)
#: Longest pause between two signs, in seconds: so quickly a worker learns that its run was cancelled.
_OFTEN = 5.0


class Pulse:
    """Renews a lease while its block lasts, in a thread of its own.

    While the database is away the scanner continues: nobody else can be given the cell meanwhile. What came of it is
    kept only once the database has said that the cell is still ours.

    Args:
        queue: knows whose the cell is.
        lease: of the cell.
        seconds: for which it is renewed.
        stop: ends the scanner.

    Attributes:
        is_lost: whether the cell is another one's by now.
        over: why its run is over; empty while it is not.
    """

    def __init__(self, queue: CellQueue, lease: CellLease, seconds: int, stop: Stop) -> None:
        self.is_lost = False
        self.over = ""
        self._queue, self._lease, self._seconds, self._stop = queue, lease, seconds, stop
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"pulse of {lease.target}/{lease.scan}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()

    def confirm(self) -> bool:
        """Whether the cell is still ours, as the database says now; waits for it while it is away.

        Not sure either when the worker has to end, or the run is over, before the database is back.
        """
        pace = Backoff(0.2, 2)
        while not self.is_lost:
            try:
                self._renew()
            except TemporaryError as error:
                if self._stop.interrupted:
                    self.is_lost = True
                    break
                _log.warning("what came of %s/%s waits: %s", self._lease.target, self._lease.scan, error)
                self._ended.wait(pace.pause())
            else:
                break
        return not self.is_lost

    def _beat(self) -> None:
        while not self._ended.wait(min(self._seconds / 3, _OFTEN)):
            try:
                self._renew()
            except TemporaryError as error:
                _log.info("%s", error)
            if self.is_lost or self.over:
                self._stop.interrupt()
                return

    def _renew(self) -> None:
        told = self._queue.renew(self._lease, seconds=self._seconds)
        self.is_lost = self.is_lost or not told.is_ours
        self.over = told.over
