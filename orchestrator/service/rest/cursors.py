"""Cursors of pages: where the next page begins, by the values of the last row, never by a count of rows.

So a page stays right while rows come and go. A cursor is opaque, is bound to the question it came with, and tells
nothing that its page did not.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from orchestrator.service.rest.problems import CursorError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
_CHECK = 8
_LONGEST = 2048
_NUMBERS = 2**63


class CursorScheme:
    """The cursors of one question.

    Args:
        route: its name.
        asked: everything that decides which rows there are and in which order; not the number of rows.
    """

    def __init__(self, route: str, asked: Mapping[str, Any]) -> None:
        self._key = hashlib.sha256(msgspec.json.encode([route, sorted(asked.items())])).digest()

    def spell(self, position: Any) -> str:
        """The cursor of what follows a position, which is anything that JSON can hold."""
        data = msgspec.json.encode(position)
        return base64.urlsafe_b64encode(self._check(data) + data).rstrip(b"=").decode()

    def read(self, cursor: str, kind: type[T]) -> T | None:
        """The position of a cursor; None for an empty one, which is the first page.

        Args:
            cursor: as the caller sent it.
            kind: of the position.

        Raises:
            CursorError: it is of another question, or made up.
        """
        if not cursor:
            return None
        try:
            data = base64.b64decode(cursor[:_LONGEST] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            if self._check(data[_CHECK:]) == data[:_CHECK]:
                position = msgspec.json.decode(data[_CHECK:], type=kind)
                if _fits(position):
                    return position
        except (ValueError, msgspec.DecodeError):
            pass
        raise CursorError(
            "this cursor does not belong to this question: give the `next` of an answer to the very same one, or none"
        )

    def _check(self, data: bytes) -> bytes:
        return hashlib.blake2b(data, digest_size=_CHECK, key=self._key).digest()


def _fits(position: Any) -> bool:
    """Whether every database takes the values of a position, which a stranger may have made up."""
    if isinstance(position, (tuple, list)):
        return all(map(_fits, position))
    return "\0" not in position if isinstance(position, str) else abs(position) < _NUMBERS
