"""What engine and workers say to the queue, and what it answers."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: Version of the messages that this program writes. It is raised where a message comes to mean something else.
MESSAGE_VERSION: Final = 1


class QueueState(StrEnum):
    """What becomes of a cell in the queue.

    Attributes:
        HELD: it belongs to a batch that has not begun.
        WAITING: the next worker may take it.
        LEASED: a worker has taken it.
        ENDED: its worker brought it to an end, good or bad.
        LOST: one worker after the other was lost with it: nobody takes it again.
        LEFT: it was not begun, because its run is over.
    """

    HELD = "held"
    WAITING = "waiting"
    LEASED = "leased"
    ENDED = "ended"
    LOST = "lost"
    LEFT = "left"


#: States of cells that have not ended.
OPEN_STATES = (QueueState.HELD, QueueState.WAITING, QueueState.LEASED)


class Turn(IntEnum):
    """Whose cells are taken first."""

    HAND = 0
    EVENT = 1
    SCHEDULE = 2


class QueuedCell(NamedTuple):
    """A cell that is handed over.

    Attributes:
        target: id of its target.
        scan: name of its scan.
        scan_version: stands for what the plan means by that scan.
        batch: number of its batch; batches begin one after the other.
    """

    target: str
    scan: str
    scan_version: str
    batch: int = 0


class Handover(NamedTuple):
    """A run for the queue.

    Attributes:
        run: its id.
        cells: that are to run.
        deadline: seconds from now after which none of them is begun.
        turn: before or after cells of which other runs.
        message_version: as which its messages are written.
    """

    run: str
    cells: Sequence[QueuedCell]
    deadline: int
    turn: Turn = Turn.HAND
    message_version: int = MESSAGE_VERSION


class QueueOffer(NamedTuple):
    """What a worker takes.

    Attributes:
        worker: its name.
        scans: the version of each scan that it has, by the scan's name.
        besides: ids of runs that it leaves alone.
        message_version: the newest version of messages that it understands.
    """

    worker: str
    scans: Mapping[str, str]
    besides: Collection[str] = ()
    message_version: int = MESSAGE_VERSION


class CellLease(NamedTuple):
    """A cell that was taken, for as long as its token is the cell's.

    Attributes:
        id: of its row.
        token: of this attempt.
        run: id of its run.
        target: id of its target.
        scan: name of its scan.
        attempt: its number, from 1.
        left: seconds until the deadline of its run.
    """

    id: int
    token: str
    run: str
    target: str
    scan: str
    attempt: int
    left: int


class Renewal(NamedTuple):
    """What became of a lease.

    Attributes:
        is_ours: whether the token is still the cell's.
        over: why the run is over; empty while it is not.
    """

    is_ours: bool
    over: str = ""


class RunInQueue(NamedTuple):
    """A run whose results are not written yet.

    Attributes:
        at: when it was handed over, in seconds since 1970.
        over: why it is over; empty while it is not.
    """

    run: str
    at: int
    over: str = ""


class CellInQueue(NamedTuple):
    """How a cell stands; `holder` took it last, and moments are seconds since 1970, 0 for none."""

    target: str
    scan: str
    scan_version: str
    state: QueueState
    reason: str
    holder: str
    attempts: int
    started_at: int
    ended_at: int


class QueueWorker(NamedTuple):
    """A worker that is there: it said so within its lease."""

    name: str
    scans: Mapping[str, str]
    since: int


class Swept(NamedTuple):
    """What was done about leases that ran out: cells that wait again, and those that nobody takes again."""

    returned: int = 0
    lost: int = 0


class QueueFigures(NamedTuple):
    """Cells of all runs that wait and that workers have, and the workers."""

    waiting: int = 0
    leased: int = 0
    workers: int = 0
