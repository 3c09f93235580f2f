"""What the scheduler and the store say to each other."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations

import msgspec

from orchestrator.model import Document, Name
from orchestrator.model.base import SCHEMA_VERSION


class Wanted(Document, frozen=True):
    """A target that should be kept fresh.

    Attributes:
        target: its id.
        names: every name under which it is wanted.
        scans: names of the scans that are wanted of it.
        entries: what the planner needs to plan it again; the store only keeps it.
    """

    target: str
    digest: str
    platform: str
    names: tuple[Name, ...]
    scans: tuple[str, ...]
    entries: str


class StaleRules(Document, frozen=True):
    """What makes a result stale, and how long what failed waits.

    Attributes:
        ages: seconds a result stays fresh, by scan.
        default_age: of the other scans.
        versions: of what a new version makes results stale: `scanner`, `database`, both or neither.
        version_age: seconds a result is left alone by new versions.
        first_retry: seconds until what failed once is tried again; twice as long after each further failure.
        longest_retry: longest of these pauses.
        questions: that scans ask now: a result that answers another one is stale at once. Scans without any are not
            asked about.
    """

    ages: dict[str, int]
    default_age: int
    versions: frozenset[str] = frozenset()
    version_age: int = 0
    first_retry: int = 300
    longest_retry: int = 86400
    questions: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class BacklogChange(Document, frozen=True):
    """What a look at the sources changed: cells that are wanted since, and those that are no longer."""

    new: int = 0
    gone: int = 0


class Claim(Document, frozen=True):
    """A target of a submission, with the scans to run, and `Wanted.entries`."""

    target: str
    scans: tuple[str, ...]
    entries: str


class Submission(Document, frozen=True):
    """A run that somebody looks after, from picking its cells to having its results in the store.

    Attributes:
        id: of its row.
        run: id of the run.
        attempts: how often carrying it out was tried in vain.
    """

    id: int
    run: str
    attempts: int
    claims: tuple[Claim, ...] = ()


class Tally(Document, frozen=True):
    """The wanted cells of one scan, counted.

    Attributes:
        fresh: have a result that is good for now.
        due: should be scanned and wait for a place among the runs in flight.
        held: failed, and wait for the time to be tried again.
        in_flight: are in a run.
    """

    scan: str
    fresh: int = 0
    due: int = 0
    held: int = 0
    in_flight: int = 0


class Flight(Document, frozen=True):
    """A run in flight.

    Attributes:
        stage: `planning`, `running` or `collecting`.
        began: when its cells were picked.
        trouble: why it does not get on; empty when it does.
        orphaned: whether nobody looks after it at the moment.
    """

    run: str
    holder: str
    stage: str
    began: datetime
    cells: int
    targets: int
    attempts: int = 0
    trouble: str = ""
    orphaned: bool = False


class Held(Document, frozen=True):
    """A cell that failed, why, and when it is tried again."""

    reference: str
    scan: str
    failures: int
    reason: str
    due: datetime


class Backlog(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """How fresh everything is that should be kept fresh.

    Attributes:
        at: moment of the counts, by the clock of the database.
        tallies: one for each scan.
        flights: the oldest first.
        held: the first that are tried again.
        next_due: when the next result becomes stale or the next failed cell is tried; None when nothing waits.
        waiting_since: since when the first of those that are due has been; None when none is.
    """

    at: datetime
    tallies: tuple[Tally, ...] = ()
    flights: tuple[Flight, ...] = ()
    held: tuple[Held, ...] = ()
    next_due: datetime | None = None
    waiting_since: datetime | None = None

    def count(self, state: str) -> int:
        """Number of cells in a state: `fresh`, `due`, `held` or `in_flight`."""
        return sum(getattr(tally, state) for tally in self.tallies)


#: Names of a run's stages, in their order.
PLANNING, RUNNING, COLLECTING = "planning", "running", "collecting"
