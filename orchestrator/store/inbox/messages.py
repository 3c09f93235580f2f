"""What the receiver, the worker and the store say to each other."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from orchestrator.errors import TemporaryError
from orchestrator.receiving.messages import Push, Unwanted  # noqa: TC001 - part of frozen types

#: In place of a rule's name, which no rule can have.
JOBS = "@jobs"


class FullInboxError(TemporaryError):
    """More events wait than may; send them again later."""


class InboxState(StrEnum):
    """Where an accepted event is: it waits for its turn, its run is under way, or it is done with."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class InboxOutcome(StrEnum):
    """How what an event asked for ended, beside the reasons of `Unwanted`.

    SCANNED: its run has a ledger.
    REFUSED: it cannot be planned, or no run can be made of it, however often it is tried.
    GAVE_UP: it was tried as often as anything is.
    PASSED: every task of its job succeeded.
    FAILED: a task of its job did not.
    ERRORED: its job could not be run, or not to its end.
    """

    SCANNED = "scanned"
    REFUSED = "refused"
    GAVE_UP = "gave-up"
    PASSED = "job-passed"
    FAILED = "job-failed"
    ERRORED = "job-errored"


class AcceptedEvent(NamedTuple):
    """An event that a rule is about.

    Attributes:
        key: `ReceivedEvent.key`, or `ReceivedEvent.job_key`.
        source: of the event.
        event: its id there.
        sender: its name in the configuration.
        rule: the rule's name; `JOBS` for what may start jobs.
        push: what was pushed and is scanned; None for what may start jobs.
        scans: of the rule; empty for those that the configuration has for such a target.
        whole: the event as structured JSON, where it may start jobs.
    """

    key: str
    source: str
    event: str
    sender: str
    rule: str
    push: Push | None
    scans: tuple[str, ...]
    whole: str = ""

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        return self.push.target if self.push else f"{self.source} {self.event}"


class Acceptance(NamedTuple):
    """What became of accepting events: by key whether it was new, and how many older pushes it took the place of."""

    new: frozenset[str]
    superseded: int


class InboxClaim(NamedTuple):
    """Whether an event may be planned.

    Attributes:
        is_free: nobody else has had, or is having, the same scanned.
        wait: somebody else is just planning it: seconds until it is known what became of that; 0 for nobody.
    """

    is_free: bool
    wait: int = 0


class InboxEntry(NamedTuple):
    """A row that somebody works on.

    Attributes:
        id: of the row.
        event: what was accepted.
        run: its run, once there is one.
        attempts: how often it was tried in vain.
        damage: why the rest of what is kept of it cannot be read; empty where it can.
    """

    id: int
    event: AcceptedEvent
    run: str
    attempts: int
    damage: str = ""


class OutgoingEvent(NamedTuple):
    """A CloudEvent that a sink is to be sent.

    Attributes:
        id: of its row; 0 before it has one.
        sink: digest of the sink's URL.
        run: what it is about; those of one run are sent in order.
        type: of the CloudEvent.
        body: as JSON.
        attempts: how often it was tried in vain.
        at: when it came to be, seconds since 1970.
    """

    sink: str
    run: str
    type: str
    body: str
    id: int = 0
    attempts: int = 0
    at: int = 0


class InboxCounts(NamedTuple):
    """How the inbox stands.

    Attributes:
        waiting: events that wait for their turn.
        running: events whose run is under way.
        oldest: since when the oldest one waits, seconds since 1970; 0 for none.
        unsent: CloudEvents that sinks are still to be sent.
    """

    waiting: int
    running: int
    oldest: int
    unsent: int


class Ending(NamedTuple):
    """How work on an entry ended for now.

    Attributes:
        outcome: for good; None to try again after `wait` seconds.
        reason: in words.
        wait: seconds.
        counts: whether this was an attempt in vain.
    """

    outcome: InboxOutcome | Unwanted | None
    reason: str = ""
    wait: int = 0
    counts: bool = True
