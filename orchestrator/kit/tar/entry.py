"""What an archive says of one file."""

from collections.abc import Mapping
from typing import NamedTuple


class EntryKind:
    """Type flags (POSIX.1-2001 pax, GNU tar), as text."""

    FILE = "0"
    HARD_LINK = "1"
    SYMBOLIC_LINK = "2"
    CHARACTER_DEVICE = "3"
    BLOCK_DEVICE = "4"
    FOLDER = "5"
    PIPE = "6"
    CONTIGUOUS = "7"
    SPARSE = "S"
    GLOBAL = "g"


#: Kinds that have no content, whatever size their header claims.
HEADER_ONLY = frozenset("123456")
#: Kinds that are files with content.
FILES = frozenset({EntryKind.FILE, EntryKind.CONTIGUOUS, EntryKind.SPARSE})
#: All kinds that mean something.
KNOWN = HEADER_ONLY | FILES | {EntryKind.GLOBAL}


class SparsePart(NamedTuple):
    """A part of a sparse file that is stored; all else of it is zeros."""

    offset: int
    length: int


class TarEntry(NamedTuple):
    """One file, folder, link or device.

    Attributes:
        kind: one character; see `EntryKind`. Others than those have come up, and mean nothing to Go.
        name: as written; bytes that are no UTF-8 as `surrogateescape` has them.
        link: where a link leads, as written.
        size: bytes of the file once it is unpacked.
        mode: as written, its permission bits in the lowest nine bits.
        offset: where its content starts, bytes from the start of the archive.
        stored: bytes of it in the archive.
        parts: of a sparse file; None of every other.
        records: of its extended header.
    """

    kind: str
    name: str
    link: str
    size: int
    mode: int
    offset: int
    stored: int
    parts: tuple[SparsePart, ...] | None
    records: Mapping[bytes, bytes]

    @property
    def is_file(self) -> bool:
        """A file with content; a hard link is none."""
        return self.kind in FILES
