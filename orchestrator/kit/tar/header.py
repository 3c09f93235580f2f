"""One header block: its checksum, its format, and what its fields say (Go's `archive/tar/format.go`, `readHeader`)."""

import zlib
from typing import NamedTuple

from orchestrator.kit.tar.numbers import TarError, numeric, octal

BLOCK = 512
_HALF = 256
_CHECKSUM = slice(148, 156)
_GNU_MAGIC = b"ustar  \0"
#: Times, numbers of devices and owners are of no use here, but Go refuses a header where one of them is no number.
_NUMBERS = (slice(108, 116), slice(116, 124), slice(136, 148))
_DEVICE = (slice(329, 337), slice(337, 345))


class TarHeader(NamedTuple):
    """What a block says, before extended headers change it.

    Attributes:
        kind: the type flag, one byte.
        name: with the prefix, as bytes.
        link: where a link leads.
        size: bytes that follow; of some kinds it means nothing.
        mode: permission bits, and whatever else was written there.
        gnu: in the format of GNU tar, the only one that has sparse files of its own.
    """

    kind: bytes
    name: bytes
    link: bytes
    size: int
    mode: int
    gnu: bool


def read_header(block: bytes) -> TarHeader:
    """Read a block that is not all zeros.

    Raises:
        TarError: its checksum or one of its numbers is wrong.
    """
    _check(block)
    name = block[:100].partition(b"\0")[0]
    for place in _NUMBERS:
        numeric(block[place])
    gnu = False
    magic = block[257:263]
    if magic == b"ustar\0":
        prefix = _prefix(block)
        for place in _DEVICE:
            numeric(block[place])
        if prefix:
            name = prefix + b"/" + name
    elif block[257:265] == _GNU_MAGIC:
        gnu = True
        for place in _DEVICE:
            numeric(block[place])
        if prefix := _mistaken_prefix(block):
            name = prefix + b"/" + name
    return TarHeader(
        kind=block[156:157],
        name=name,
        link=block[157:257].partition(b"\0")[0],
        size=numeric(block[124:136]),
        mode=numeric(block[100:108]),
        gnu=gnu,
    )


def has_checksum(block: bytes) -> bool:
    """Whether a block can be a header at all."""
    try:
        _check(block)
    except TarError:
        return False
    return True


def _check(block: bytes) -> None:
    """Compare the checksum: all bytes summed, its own place read as spaces; signed sums, as Sun wrote, count too."""
    stored = octal(block[_CHECKSUM])
    # The lower half of Adler-32 is one more than the sum of the bytes, exact for up to 256 of them, and quick.
    whole = (zlib.adler32(block[:_HALF]) & 0xFFFF) + (zlib.adler32(block[_HALF:]) & 0xFFFF) - 2
    own = block[_CHECKSUM]
    unsigned = whole - sum(own) + 8 * ord(" ")
    if stored == unsigned:
        return
    signed = unsigned - 256 * (sum(byte > 127 for byte in block) - sum(byte > 127 for byte in own))  # noqa: PLR2004
    if stored != signed:
        raise TarError("the checksum of a header is wrong")


def _prefix(block: bytes) -> bytes:
    if block[508:512] != b"tar\0":
        return block[345:500].partition(b"\0")[0]
    numeric(block[476:488])  # of Schily's `star`: a shorter prefix, then two times
    numeric(block[488:500])
    return block[345:476].partition(b"\0")[0]


def _mistaken_prefix(block: bytes) -> bytes:
    """GNU's format has two times where others have a prefix; Go before 1.8 wrote a prefix there, and still reads it."""
    try:
        for place in (slice(345, 357), slice(357, 369)):
            if block[place.start]:
                numeric(block[place])
    except TarError:
        prefix = block[345:500].partition(b"\0")[0]
        return prefix if prefix.isascii() else b""
    return b""
