"""PAX extended headers (POSIX.1-2001), as strict and as liberal as Go's `parsePAX`."""

from collections.abc import Mapping

from orchestrator.kit.tar.numbers import TarError, decimal

_TEXTS = frozenset({b"path", b"linkpath", b"uname", b"gname"})
_TIMES = (b"mtime", b"atime", b"ctime")
_LEAST_RECORD = 5
_OFFSET, _LENGTH, MAP = b"GNU.sparse.offset", b"GNU.sparse.numbytes", b"GNU.sparse.map"


def read_records(data: bytes) -> dict[bytes, bytes]:
    """The records of an extended header by their keys; the last of a key wins.

    The map of GNU's sparse format 0.0, a pair of records for each part, comes out as that of 0.1.

    Raises:
        TarError: a record is not `length key=value` and a newline.
    """
    records: dict[bytes, bytes] = {}
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        key, value, at = _read_record(data, at)
        if key in {_OFFSET, _LENGTH}:
            if (key == _OFFSET) == bool(len(parts) % 2) or b"," in value:
                raise TarError("the parts of a sparse file are out of order")
            parts.append(value)
        else:
            records[key] = value
    if parts:
        records[MAP] = b",".join(parts)
    return records


def judge_numbers(records: Mapping[bytes, bytes]) -> None:
    """Make sure that owners and times are numbers, which Go insists on, though nobody asks for them here.

    Raises:
        TarError: one of them is none.
    """
    for key in (b"uid", b"gid"):
        if value := records.get(key):
            decimal(value)
    for key in _TIMES:
        if value := records.get(key):
            seconds, _, fraction = value.partition(b".")
            decimal(seconds)
            if fraction and not fraction.isdigit():
                raise TarError(f"{value[:40]!r} is not a time")


def _read_record(data: bytes, at: int) -> tuple[bytes, bytes, int]:
    space = data.find(b" ", at, at + 32)  # of a number of 64 bits; zeros before it are no use to anybody
    if space < 0:
        raise TarError("a record of an extended header has no length")
    length = decimal(data[at:space])
    end = at + length
    if length < _LEAST_RECORD or end > len(data) or end <= space + 1 or data[end - 1] != ord("\n"):
        raise TarError("a record of an extended header has another length than it says")
    key, equals, value = data[space + 1 : end - 1].partition(b"=")
    if not equals or not key or b"\0" in (value if key in _TEXTS else key):
        raise TarError(f"{key[:40]!r} is not a record of an extended header")
    return key, value, end
