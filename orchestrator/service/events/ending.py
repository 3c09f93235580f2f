"""What becomes of an event that could not be worked on: whether it is tried again, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import TemporaryError
from orchestrator.service.events.planned import TwinError, UnwantedPushError
from orchestrator.service.rest.problems import BusyError
from orchestrator.store.inbox.messages import Ending, InboxOutcome

if TYPE_CHECKING:
    from orchestrator.store.inbox.messages import InboxEntry

# An event that cannot be worked on is tried this often, with pauses that grow from the first to the last: for an hour.
_ATTEMPTS, _FIRST_WAIT, _LONGEST_WAIT = 12, 5, 900
_BUSY_WAIT = 5


def ending_of(entry: InboxEntry, error: Exception) -> Ending:
    """What becomes of an event whose run could not be started."""
    match error:
        case UnwantedPushError():
            return Ending(error.reason, str(error))
        case TwinError():
            return Ending(None, str(error), error.wait, counts=False)
        case BusyError():
            return Ending(None, str(error), _BUSY_WAIT, counts=False)
        case TemporaryError() | OSError() if entry.attempts + 1 < _ATTEMPTS:
            return Ending(None, str(error), min(_LONGEST_WAIT, _FIRST_WAIT * 2**entry.attempts))
        case TemporaryError() | OSError():
            return Ending(InboxOutcome.GAVE_UP, f"tried {_ATTEMPTS} times: {error}")
        case _:
            return Ending(InboxOutcome.REFUSED, str(error))
