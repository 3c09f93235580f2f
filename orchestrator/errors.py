"""The two kinds of failure every room speaks of; each room derives its own errors beside its interface.

    ScanmatrixError
    ├── PermanentError      trying again cannot help: bad input, refused access, an unsupported format
    │   ├── UsageError      what the user wrote is wrong (configuration, command line, a file of ours): exit status 2
    │   ├── NotTheirsError  it is about targets that who asks does not answer for
    │   └── NotKnownError   nothing is known of what was asked about: exit status 4, never an empty answer
    └── TemporaryError      trying again may help: the network, a busy registry, a killed scanner
        ├── Cancelled       stopped on request: nothing is wrong
        └── VolumeFullError no room on the volume at the moment

A message says what happened to which thing, and what to do next. It never holds a secret.
"""

from typing import ClassVar


class ScanmatrixError(Exception):
    """Base of every error this project raises on purpose."""


class PermanentError(ScanmatrixError):
    """Trying again cannot help; the message says what to change."""


class UsageError(PermanentError):
    """What the user wrote is wrong; commands end with exit status 2."""


class NotTheirsError(PermanentError):
    """It is about targets of other owners than those whom the caller answers for."""


class NotKnownError(PermanentError):
    """Nothing is known of what was asked about; commands end with exit status 4."""


class TemporaryError(ScanmatrixError):
    """Trying again may help; `orchestrator.kit.retrying` does, as often as is configured.

    Attributes:
        most_retries: further attempts that a failure of this kind is worth, however many are configured; None for all.
        retry_after: seconds the other side asked to wait before the next attempt, or None.
        given_up: whether its attempts are used up: nothing that catches it may start them again.
    """

    most_retries: ClassVar[int | None] = None

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.given_up = False

    @property
    def is_worth_retrying(self) -> bool:
        """Whether attempts are left: neither for it nor for what caused it were they used up already."""
        cause: BaseException | None = self
        while cause is not None:
            if isinstance(cause, TemporaryError) and cause.given_up:
                return False
            cause = cause.__cause__
        return True


class Cancelled(TemporaryError):  # noqa: N818 - the name says what happened; that it is an error, its base says
    """Stopped on request; nothing half-written is left under a final name."""


class VolumeFullError(TemporaryError):
    """The volume has no room at the moment; it will when cells of this run, or of another, have ended."""


def may_help_again(error: BaseException) -> bool:
    """Whether a further attempt may succeed where this one failed: it failed for now, and attempts are left."""
    return isinstance(error, TemporaryError) and error.is_worth_retrying
