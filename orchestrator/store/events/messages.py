"""An event as its readers have it, and the place in the line of all events up to which somebody has read."""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from enum import StrEnum
from typing import NamedTuple, Self

import msgspec

from orchestrator.errors import UsageError
from orchestrator.model import Document

# No more digits than the database's numbers have, so that none is too large for it.
_CURSOR = re.compile(r"(?a:([0-9a-f]{1,16})-([0-9]{1,18}))")


class EventCursorError(UsageError):
    """A cursor that none of our answers had; begin without one."""


class EventKind(StrEnum):
    """What an event tells.

    RUN: a run was imported, for the first time or again.
    CELLS: cells of a target ended, and what is known of it may be otherwise.
    DELETED: results of a target were deleted.
    STORE: something else changed, of no target in particular; `told` says what.
    """

    RUN = "run"
    CELLS = "cells"
    DELETED = "deleted"
    STORE = "store"


class EventCursor(NamedTuple):
    """Up to which event somebody has read, in which database."""

    epoch: str
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor that `str` wrote.

        Raises:
            EventCursorError: it wrote no such thing.
        """
        if (found := _CURSOR.fullmatch(text)) is None:
            raise EventCursorError("this is no cursor of events; leave it out to begin with what changes from now on")
        return cls(found[1], int(found[2]))

    def __str__(self) -> str:
        return f"{self.epoch}-{self.number}"


#: The place before the first event of a database, which has none yet.
BEGINNING = EventCursor("0", 0)


class StoreEvent(Document, frozen=True):
    """Something that changed.

    Attributes:
        cursor: the place after it.
        at: when it was written.
        target: id of the target it is about; empty for none, as `reference`, the target's image id.
        run: which run told it; empty for none.
        scans: of `cells`, by scan how its cell ended (`gone` where the run no longer has it).
        about: of `store`, what changed.
        owners: who answers for the target.
        called: by owner, what the target is to be called for those who see only their own names of it; of owners for
            whom that is not `reference`.
    """

    cursor: str
    at: datetime
    kind: EventKind
    target: str = ""
    reference: str = ""
    run: str = ""
    scans: dict[str, str] = msgspec.field(default_factory=dict)
    about: str = ""
    owners: tuple[str, ...] = ()
    called: dict[str, str] = msgspec.field(default_factory=dict)


class EventPage(NamedTuple):
    """What came after a cursor.

    Attributes:
        events: in the order in which they happened.
        cursor: the place after them.
        resync: whether there was something in between that is not kept any more: read everything again.
    """

    events: tuple[StoreEvent, ...]
    cursor: EventCursor
    resync: bool = False
