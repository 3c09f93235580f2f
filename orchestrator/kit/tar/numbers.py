"""Numbers in tar headers and PAX records, as Go's `archive/tar/strconv.go` and `strconv.ParseInt` take them."""

import re
from functools import lru_cache

_OCTAL = re.compile(rb"[0-7]+")
_DECIMAL = re.compile(rb"([+-]?)([0-9]+)")
#: Largest number of 64 bits, which is what Go counts bytes with.
MOST = (1 << 63) - 1
#: Digits of the largest 64-bit number.
_MOST_DIGITS = 19


class TarError(ValueError):
    """An archive that Go does not read, or reads only in part."""


def octal(field: bytes) -> int:
    """An octal number between spaces and NULs; an empty one is 0.

    Raises:
        TarError: something else than octal digits.
    """
    text = field.strip(b" \0").partition(b"\0")[0]
    if not text:
        return 0
    if not _OCTAL.fullmatch(text):
        raise TarError(f"{field!r} in a header is not an octal number")
    return int(text, 8)


@lru_cache(maxsize=4096)  # modes, owners and times are the same again and again
def numeric(field: bytes) -> int:
    """A number in octal or, with the highest bit set, in base 256; it may be negative.

    Raises:
        TarError: not a number, or one beyond 64 bits.
    """
    if not field[0] & 0x80:
        return octal(field)
    bits = 8 * len(field)
    value = int.from_bytes(field, "big")
    negative = bool(field[0] & 0x40)
    if negative:
        value ^= (1 << bits) - 1
    value &= (1 << (bits - 1)) - 1  # the first bit says only that it is in base 256
    if value > MOST:
        raise TarError(f"{field!r} in a header is a number beyond 64 bits")
    return ~value if negative else value


def decimal(text: bytes) -> int:
    """A decimal number of a PAX record, in 64 bits.

    Raises:
        TarError: not a number, or one beyond 64 bits.
    """
    found = _DECIMAL.fullmatch(text)
    digits = found[2].lstrip(b"0") if found else b""
    if found is None or len(digits) > _MOST_DIGITS:
        raise TarError(f"{text[:40]!r} is not a number of 64 bits")
    value = int(digits or b"0")
    if value > MOST + (found[1] == b"-"):
        raise TarError(f"{text[:40]!r} is not a number of 64 bits")
    return -value if found[1] == b"-" else value
