"""A file that somebody else writes, copied within a bound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

_CHUNK = 1 << 20


def copy_at_most(source: int, target: BinaryIO, most: int, *, between: Callable[[], None] = lambda: None) -> int:
    """Copy what is left of an open file; the bytes that were copied, one more than the bound where there are more.

    The file is not asked for its size, which may change while it is read.

    Args:
        source: descriptor of the file.
        target: gets the bytes, whole.
        most: bytes that it may have.
        between: called before each piece is written; what it raises ends the copy.
    """
    size = 0
    while chunk := os.read(source, min(_CHUNK, most + 1 - size)):
        between()
        target.write(chunk)
        size += len(chunk)
    return size
