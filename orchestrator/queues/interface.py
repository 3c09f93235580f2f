"""What every queue offers.

A queue delivers ids of cells. Whose a cell is stands in the store alone, whichever queue there is: a lease with a token
and a moment until which it is given. So a delivery is only a hint: one that comes twice, or late, changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading
    from types import TracebackType

    from orchestrator.config.loading import Config
    from orchestrator.store.cell_queue.messages import (
        CellInQueue,
        CellLease,
        Handover,
        QueueOffer,
        QueueState,
        QueueWorker,
        Renewal,
        RunInQueue,
        Swept,
    )


class CellQueue(Protocol):
    """Hands cells to workers, each to one at a time, and knows how each of them stands.

    A context manager, which ends its connections. Every method raises `StoreGoneError` when the database does not
    answer; whatever it was about to do is then done whole or not at all, and can be done again.
    """

    def __enter__(self) -> CellQueue:
        """Use it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End its connections."""
        ...

    def migrate(self) -> tuple[str, str]:
        """Bring what it rests on up to date."""
        ...

    def hand_over(self, order: Handover) -> bool:
        """Put the cells of a run into the queue, all or none; False where the run is in it already."""
        ...

    def take(self, offer: QueueOffer, *, lease: int) -> CellLease | None:
        """Take the cell whose turn it is, for a lease of this many seconds; None where none waits for such a worker."""
        ...

    def wait(self, stop: threading.Event, pause: float) -> None:
        """Wait until a cell may be there for who found none; at most until the event is set.

        Args:
            stop: ends it.
            pause: seconds, for a queue that does not learn it otherwise.
        """
        ...

    def renew(self, lease: CellLease, *, seconds: int) -> Renewal:
        """Say that one is at work on a cell, and learn whether it is still one's own."""
        ...

    def finish(self, lease: CellLease, failure: str = "") -> bool:
        """Say that a cell has ended, and why it failed; False where it is no longer one's own."""
        ...

    def give_back(self, lease: CellLease) -> bool:
        """Let others have a cell, as if it had not been taken; False where it is no longer one's own."""
        ...

    def sweep(self, *, lease: int, most_attempts: int) -> Swept:
        """Hand out again what lost its worker, give up what lost too many, and end runs whose deadline is over."""
        ...

    def cancel(self, run: str, why: str) -> bool:
        """Begin no more cells of a run, and have those end that workers are at; False where it is not in the queue."""
        ...

    def begin_next_batch(self, run: str) -> bool:
        """Let workers have the next batch of a run; False where the one before has not ended, or was the last."""
        ...

    def drop(self, worker: str) -> int:
        """Take back what a worker may have been given without learning of it; returns how many cells."""
        ...

    def has_open(self, offer: QueueOffer) -> bool:
        """Whether any cell that a worker takes has not ended, no matter who has it."""
        ...

    def runs(self) -> tuple[RunInQueue, ...]:
        """The runs in the queue, in the order in which they were handed over."""
        ...

    def find_run(self, run: str) -> RunInQueue | None:
        """A run in the queue; None where it is not in it."""
        ...

    def standing(self, run: str) -> frozenset[QueueState]:
        """In which of the states before their end cells of a run are; none when all have ended."""
        ...

    def cells(self, run: str) -> tuple[CellInQueue, ...]:
        """How each cell of a run stands."""
        ...

    def forget_run(self, run: str) -> bool:
        """Take a run out of the queue; False where it is not in it."""
        ...

    def announce(self, offer: QueueOffer, *, lease: int) -> None:
        """Say that a worker is there, for this many seconds; with 0, that it leaves."""
        ...

    def workers(self) -> tuple[QueueWorker, ...]:
        """The workers that are there."""
        ...


class QueueModule(Protocol):
    """A module of `orchestrator.queues`."""

    def make(self, config: Config) -> CellQueue:
        """The queue of a configuration."""
        ...
