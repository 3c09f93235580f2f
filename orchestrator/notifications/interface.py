"""Messages, deliveries, and the errors of channels."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.model import Document, Limits, Severity
from orchestrator.model.base import SCHEMA_VERSION

if TYPE_CHECKING:
    from orchestrator.config.notify import NotifySection, Route


class DeliveryRefusedError(PermanentError):
    """A receiver will not take the message, however often it is sent; what it says never holds a secret."""


class DeliveryUnavailableError(TemporaryError):
    """A receiver did not take the message this time, for sure; sending it again may succeed."""


class DeliveryUncertainError(PermanentError):
    """A receiver got the whole message and did not say whether it took it: sending it again might tell it twice."""


class Change(Document, frozen=True):
    """One finding that came, went or is no longer looked for, in however many targets.

    Attributes:
        version: installed version of the package; before, where the finding is gone.
        targets: names of the first of them.
        target_count: how many targets there are.
        count: how many findings, each counted in each of its targets.
        owners: of these targets; the first of them.
        note: what else to know of it, in words; empty for nothing.
    """

    severity: Severity
    id: str
    kind: str = ""
    package: str = ""
    version: str = ""
    fixed_version: str = ""
    targets: tuple[str, ...] = ()
    target_count: int = 1
    count: int = 1
    owners: tuple[str, ...] = ()
    note: str = ""


class Changes(Document, frozen=True):
    """Findings of one status.

    Attributes:
        total: of findings, each counted in each of its targets.
        severities: of these, by severity, the highest first.
        shown: the most severe.
    """

    total: int = 0
    severities: dict[str, int] = msgspec.field(default_factory=dict)
    shown: tuple[Change, ...] = ()


class FirstScan(Document, frozen=True):
    """A target that was never scanned before: all of its findings are new, so only their numbers are reported."""

    target: str
    total: int
    severities: dict[str, int] = msgspec.field(default_factory=dict)
    owners: tuple[str, ...] = ()


class FirstScans(Document, frozen=True):
    """Targets that were never scanned before, those with findings.

    Attributes:
        targets: how many.
        total: of their findings.
        severities: of these, by severity.
        shown: the worst of the targets.
    """

    targets: int = 0
    total: int = 0
    severities: dict[str, int] = msgspec.field(default_factory=dict)
    shown: tuple[FirstScan, ...] = ()


class FailedCell(Document, frozen=True):
    """A cell that failed, and did not the last time it was run."""

    target: str
    scan: str
    reason: str = ""
    owners: tuple[str, ...] = ()


class FailedCells(Document, frozen=True):
    """Cells that fail since this run.

    Attributes:
        total: how many.
        still: cells that failed before this run, too, and are not told again.
        shown: the first of them.
    """

    total: int = 0
    still: int = 0
    shown: tuple[FailedCell, ...] = ()


class BrokenRule(Document, frozen=True):
    """A rule of the policy that this run broke, and the last one did not."""

    rule: str
    message: str


class Message(Document, frozen=True):
    """What one receiver is notified about: only what changed, and bounded.

    Attributes:
        run: id of the run.
        finished: end of the run, RFC 3339 in UTC.
        passed: whether the run is good enough for the policy.
        route: the route's name, or what stands for it.
        channel: `slack`, `webhook` or `email`.
        recipient: e-mail address, or channel; empty for the webhook's own.
        new: findings that came, in targets that were scanned before.
        first: targets that were scanned for the first time.
        fixed: findings that are gone although they were looked for.
        gone: findings that nobody looks for any more (`no longer scanned`).
        failed: cells that fail now.
        broken: rules of the policy that are broken now.
        mended: names of rules that are no longer broken.
        still_broken: names of rules that are broken as they were before.
        correction: the receiver got a different message about the same run before.
        remark: what the policy did not judge, as the verdict says: that no severity rule is set.
    """

    run: str
    finished: str
    passed: bool
    route: str
    channel: str
    recipient: str = ""
    new: Changes = Changes()
    first: FirstScans = FirstScans()
    fixed: Changes = Changes()
    gone: Changes = Changes()
    failed: FailedCells = FailedCells()
    broken: tuple[BrokenRule, ...] = ()
    mended: tuple[str, ...] = ()
    still_broken: tuple[str, ...] = ()
    correction: bool = False
    remark: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed that its receiver wants to know."""
        parts = (self.new.total, self.first.total, self.fixed.total, self.gone.total, self.failed.total)
        return not any((*parts, self.broken, self.mended))


class DeliveryState(StrEnum):
    """How a delivery went."""

    SENT = "sent"
    FAILED = "failed"
    WAITING = "waiting"


class Delivery(Document, frozen=True):
    """One message to one receiver; kept in the outbox of the run.

    Attributes:
        id: the same however often it is tried; made of run, receiver and content.
        route: as the message has it.
        recipient: as the message has it.
        state: `waiting` when we were cut off while it was sent.
        reason: why it failed.
        attempts: made so far.
        when: of the last attempt, RFC 3339 in UTC; empty before the first.
        message: what is still to be sent; None once it is sent.
    """

    id: str
    route: str
    channel: str
    recipient: str = ""
    state: DeliveryState = DeliveryState.WAITING
    reason: str = ""
    attempts: int = 0
    when: str = ""
    message: Message | None = None


class DeliveriesList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """Messages about what a run changed.

    Attributes:
        deliveries: one for each message and receiver.
    """

    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True)
class Pace:
    """How long is tried.

    Attributes:
        all: seconds for all messages of a run together.
        each: seconds for one, retries included.
        connect: seconds to wait for a connection.
        answer: seconds to wait for any next byte.
        retries: further attempts after the first.
        backoff: seconds before the second attempt, doubled each time.
        width: messages sent at the same time.
    """

    all: float = 120.0
    each: float = 60.0
    connect: float = 10.0
    answer: float = 20.0
    retries: int = Limits().retries
    backoff: float = 1.0
    width: int = 4


@dataclass(frozen=True)
class Parcel:
    """What a channel is given to send.

    Attributes:
        id: of the delivery.
        message: to tell.
        route: whose destination it is for.
        notify: the whole section; for e-mail's server.
        pace: how long to wait.
        environment: variables that secrets may name; not shown.
    """

    id: str
    message: Message
    route: Route
    notify: NotifySection
    pace: Pace = Pace()
    environment: dict[str, str] = field(default_factory=dict, repr=False)


class Channel(Protocol):
    """One way to tell people; an implementation is a module with this function."""

    def send(self, parcel: Parcel, until: float) -> None:
        """Try once.

        Args:
            parcel: what to send where.
            until: moment of `time.monotonic` at which it has to be over.

        Raises:
            DeliveryRefusedError: it will never be taken so.
            DeliveryUnavailableError: it was not taken now.
            DeliveryUncertainError: nobody knows whether it was taken.
        """
        ...
