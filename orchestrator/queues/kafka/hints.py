"""The message: that a cell waits. Whose it is, and everything else about it, is in the store and in the run's plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from orchestrator.store.cell_queue.hinted import WaitingCell

#: Version of the messages that this program writes, and the only one that it reads.
HINT_VERSION: Final = 1
#: Bytes of the longest message that is looked at.
_LONGEST = 4096


class HintError(ValueError):
    """A message that says nothing to this program."""


class CellHint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cell that waits: its number in the queue, and what it is.

    Attributes:
        version: of this schema.
        cell: number of its row.
        run: id of its run.
        target: id of its target.
        scan: name of its scan.
    """

    version: int
    cell: int
    run: str
    target: str
    scan: str


class _Versioned(msgspec.Struct, frozen=True):
    version: int


def encode_hint(cell: WaitingCell) -> bytes:
    """The message for a cell."""
    return msgspec.json.encode(CellHint(HINT_VERSION, cell.id, cell.run, cell.target, cell.scan))


def decode_hint(message: bytes | None) -> CellHint:
    """The cell that a message is about.

    Raises:
        HintError: it is of another version, or no message of ours.
    """
    if not message or len(message) > _LONGEST:
        raise HintError(f"it has {len(message or b''):,} bytes; 1 to {_LONGEST:,} are accepted")
    try:
        version = msgspec.json.decode(message, type=_Versioned).version
        if version != HINT_VERSION:
            raise HintError(f"its schema is version {version}, and this program reads version {HINT_VERSION}")
        return msgspec.json.decode(message, type=CellHint)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HintError(f"it is no message of ours: {error}") from error
