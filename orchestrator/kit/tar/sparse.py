"""Maps of sparse files: GNU's old format, and its three in PAX headers (0.0, 0.1, 1.0), as Go reads them.

Each is bounded by `MAP_LIMIT`, as extended headers are, and none is believed: the stored parts must be in order, within
the file, and together as long as what the archive stores of it.
"""

from collections.abc import Callable, Mapping, Sequence

from orchestrator.kit.tar.entry import SparsePart
from orchestrator.kit.tar.header import BLOCK
from orchestrator.kit.tar.numbers import MOST, TarError, decimal, numeric
from orchestrator.kit.tar.pax import MAP

#: Most bytes of one map; Go and libarchive have the same.
MAP_LIMIT = 1 << 20
_PLAIN_DIGITS = 18
_PAIR = 24
_FIRST_PAIRS, _MORE_PAIRS = 4, 21
_NAME, _SIZE, _REAL_SIZE = b"GNU.sparse.name", b"GNU.sparse.size", b"GNU.sparse.realsize"
_MAJOR, _MINOR, _COUNT = b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.numblocks"


def version(records: Mapping[bytes, bytes]) -> str:
    """Which of the formats in PAX headers a file is in: `0`, `1`, or empty for none."""
    major, minor = records.get(_MAJOR, b""), records.get(_MINOR, b"")
    if major == b"0" and minor in {b"0", b"1"}:
        return "0"
    if major == b"1" and minor == b"0":
        return "1"
    return "0" if not major and not minor and records.get(MAP) else ""


def real_name(records: Mapping[bytes, bytes]) -> bytes:
    """What a sparse file is called; empty when that stands elsewhere."""
    return records.get(_NAME, b"")


def real_size(records: Mapping[bytes, bytes], size: int) -> int:
    """Bytes of a sparse file once it is unpacked; `size` where its header does not say."""
    text = records.get(_SIZE) or records.get(_REAL_SIZE)
    return decimal(text) if text else size


def map_of_records(records: Mapping[bytes, bytes]) -> list[SparsePart]:
    """The map of formats 0.0 and 0.1, which stands in the records."""
    count = _count(records.get(_COUNT, b""))
    text = records.get(MAP, b"")
    numbers = text.split(b",") if text else []
    if len(numbers) != 2 * count:
        raise TarError("the map of a sparse file has another length than it says")
    return _pairs(numbers)


def map_of_content(take: Callable[[], bytes]) -> list[SparsePart]:
    """The map of format 1.0, lines at the start of the content, filled up to a block.

    Args:
        take: gives the next block of the content.
    """
    data = take()
    while b"\n" not in data:
        data = _more(data, take)
    first, _, rest = data.partition(b"\n")
    count = _count(first)
    lines, data_size = rest.count(b"\n"), len(data)
    blocks = [rest]
    while lines < 2 * count:
        data_size += BLOCK
        if data_size > MAP_LIMIT:
            raise TarError("the map of a sparse file is too long")
        block = take()
        lines += block.count(b"\n")
        blocks.append(block)
    return _pairs(b"".join(blocks).split(b"\n", 2 * count)[: 2 * count])


def map_of_header(block: bytes, take: Callable[[], bytes]) -> tuple[int, list[SparsePart]]:
    """The old format: a file's real size, and its map in the header and in blocks that follow it.

    Args:
        block: the header.
        take: gives the next block of the archive.
    """
    size = numeric(block[483:495])
    parts: list[SparsePart] = []
    area, pairs, total = block[386:483], _FIRST_PAIRS, 0
    while True:
        total += len(area)
        if total >= MAP_LIMIT:
            raise TarError("the map of a sparse file is too long")
        for start in range(0, pairs * _PAIR, _PAIR):
            if not area[start]:
                break
            parts.append(SparsePart(numeric(area[start : start + 12]), numeric(area[start + 12 : start + 24])))
        if not area[pairs * _PAIR]:
            return size, parts
        area, pairs = take(), _MORE_PAIRS


def judge(parts: Sequence[SparsePart], size: int, stored: int) -> None:
    """Make sure that a map describes a file of this size, and all that is stored of it.

    Raises:
        TarError: it does not.
    """
    end = total = 0
    for offset, length in parts:
        if offset < end or length < 0 or offset + length > min(size, MOST):
            raise TarError("the parts of a sparse file overlap, or lie beyond its end")
        end = offset + length
        total += length
    if size < 0 or total != stored:
        raise TarError("a sparse file has other data than its map says")


def _more(data: bytes, take: Callable[[], bytes]) -> bytes:
    if len(data) >= 2 * BLOCK:  # the number of parts has a few digits
        raise TarError("the map of a sparse file does not begin with a number")
    return data + take()


def _count(text: bytes) -> int:
    count = decimal(text)
    if not 0 <= count <= MAP_LIMIT:
        raise TarError("a sparse file has more parts than can be")
    return count


def _pairs(numbers: Sequence[bytes]) -> list[SparsePart]:
    # Maps of a hundred thousand parts are real, so the usual ones take the short way.
    plain = all(map(bytes.isdigit, numbers)) and max(map(len, numbers), default=0) <= _PLAIN_DIGITS
    values = list(map(int if plain else decimal, numbers))
    return [SparsePart(*pair) for pair in zip(values[::2], values[1::2], strict=True)]
