"""The reader: one pass over an archive, with memory that does not grow with it (Go's `archive/tar/reader.go`)."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from orchestrator.kit.tar import sparse
from orchestrator.kit.tar.entry import HEADER_ONLY, EntryKind, SparsePart, TarEntry
from orchestrator.kit.tar.header import BLOCK, TarHeader, read_header
from orchestrator.kit.tar.numbers import TarError, decimal
from orchestrator.kit.tar.pax import judge_numbers, read_records

#: Most bytes of all extended headers: 2 KiB an entry is far above what names and attributes take, and then some.
_SPECIAL_TOTAL, _SPECIAL_EACH = 16 << 20, 2 << 10
#: Most bytes of one extended header, long name or long link; Go and libarchive have the same.
SPECIAL_LIMIT = 1 << 20
_ZEROS = bytes(BLOCK)
_SKIP = 1 << 18
_NONE: Mapping[bytes, bytes] = {}
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_LONG = (_LONG_NAME, _LONG_LINK)


class TarReader:
    """Reads an archive's entries in order.

    Every entry is read with the headers that extend it, whatever their number; the content of one is skipped unless
    `read` is called before the next is asked for. Two blocks of zeros end the archive, and so does the end of the
    stream where a header could begin; what follows the zeros belongs to no reader.

    Args:
        stream: uncompressed; buffered, or reading it is slow.
        length: bytes of it, where it can be sought in; content is then skipped by seeking.
    """

    def __init__(self, stream: BinaryIO, *, length: int | None = None) -> None:
        self._stream, self._length = stream, length
        self._at = stream.tell() if length is not None else 0
        self._left = self._padding = 0  # of the content of the entry it is at
        self._name = "its first header"
        self._allowance = _SPECIAL_TOTAL  # bytes of extended headers

    def __iter__(self) -> Iterator[TarEntry]:
        """All entries.

        Raises:
            TarError: the archive is damaged, truncated, or has a header that Go refuses.
        """
        records: Mapping[bytes, bytes] = _NONE
        name = link = b""
        while (block := self._next_block()) is not None:
            header = read_header(block)
            kind = header.kind
            self._expect(_stored(kind, header.size))
            if kind in _LONG:
                text = self._special(header.size).partition(b"\0")[0]
                name, link = (text, link) if kind == _LONG_NAME else (name, text)
            elif kind == _EXTENDED:
                records = read_records(self._special(header.size))
            else:
                if kind == _GLOBAL:
                    # Go hands it over as an entry, so headers before it extend nothing else, and applies it to nothing.
                    yield self._global(header, read_records(self._special(header.size)))
                else:
                    yield self._entry(header, block, records, name, link)
                records, name, link = _NONE, b"", b""
                self._allowance += _SPECIAL_EACH

    def read(self, entry: TarEntry) -> bytes:
        """Content of the entry that came last, sparse parts filled with zeros. Ask for its size before.

        Raises:
            TarError: the archive ends within it.
        """
        data = self._take(self._left)
        self._left = 0
        if entry.parts is None:
            return data
        content, at = bytearray(entry.size), 0
        for offset, length in entry.parts:
            content[offset : offset + length] = data[at : at + length]
            at += length
        return bytes(content)

    def pieces(self, size: int) -> Iterator[bytes]:
        """What is stored of the entry that came last, in pieces; of a sparse file without its holes.

        Raises:
            TarError: the archive ends within it.
        """
        while self._left:
            data = self._take(min(size, self._left))
            self._left -= len(data)
            yield data

    def _entry(
        self, header: TarHeader, block: bytes, records: Mapping[bytes, bytes], name: bytes, link: bytes
    ) -> TarEntry:
        """The entry that a header stands for, once extended headers have had their say."""
        name = name or records.get(b"path") or header.name
        link = link or records.get(b"linkpath") or header.link
        size = header.size
        if records:
            judge_numbers(records)
            if text := records.get(b"size"):
                size = decimal(text)
        kind = header.kind
        if kind == b"\0":
            kind = b"5" if name.endswith(b"/") else b"0"
        self._expect(_stored(kind, size))
        parts: list[SparsePart] | None = None
        if kind == b"S":
            if not header.gnu:
                raise TarError("a sparse file in a format that is not GNU's")
            size, parts = sparse.map_of_header(block, lambda: self._take(BLOCK))
        elif records and (form := sparse.version(records)):
            name = sparse.real_name(records) or name
            size = sparse.real_size(records, size)
            parts = sparse.map_of_content(self._content_block) if form == "1" else sparse.map_of_records(records)
        if parts is not None:
            if kind.decode("latin-1") in HEADER_ONLY:
                raise TarError("a sparse file that is no file")
            sparse.judge(parts, size, self._left)
        called = name.decode("utf-8", "surrogateescape")
        self._name = repr(called[:200])
        return TarEntry(
            kind.decode("latin-1"),
            called,
            link.decode("utf-8", "surrogateescape"),
            size,
            header.mode,
            self._at,
            self._left,
            None if parts is None else tuple(parts),
            records,
        )

    def _global(self, header: TarHeader, records: Mapping[bytes, bytes]) -> TarEntry:
        name = records.get(b"path") or header.name
        return TarEntry(EntryKind.GLOBAL, name.decode("utf-8", "surrogateescape"), "", 0, 0, self._at, 0, None, records)

    def _expect(self, stored: int) -> None:
        """Prepare to skip the content that follows here."""
        if stored < 0:
            raise TarError("a header claims a size below zero")
        self._left, self._padding = stored, -stored % BLOCK

    def _next_block(self) -> bytes | None:
        """The next header; None at the archive's end."""
        self._skip(self._left + self._padding)
        self._left = self._padding = 0
        block = self._stream.read(BLOCK)
        if block == _ZEROS:
            self._at += BLOCK
            block = self._stream.read(BLOCK)
            if block not in (b"", _ZEROS):
                raise TarError("a block of zeros, and then something else")
            return None
        if not block:
            return None
        self._at += BLOCK
        if len(block) < BLOCK:
            raise TarError("it ends within a header")
        return block

    def _special(self, size: int) -> bytes:
        """Content of a header that extends the next one."""
        if size > SPECIAL_LIMIT:
            raise TarError(f"an extended header of {size} bytes, where {SPECIAL_LIMIT} are the most")
        self._allowance -= size
        if self._allowance < 0:
            raise TarError("its extended headers are far larger than those of any real archive")
        data = self._take(size)
        self._left = 0
        return data

    def _content_block(self) -> bytes:
        if self._left < BLOCK:
            raise TarError("it ends within the map of a sparse file")
        self._left -= BLOCK
        return self._take(BLOCK)

    def _take(self, size: int) -> bytes:
        if self._length is not None and self._at + size > self._length:
            raise TarError(f"it ends within {self._name}")
        data = self._stream.read(size)
        if len(data) < size:
            raise TarError(f"it ends within {self._name}")
        self._at += size
        return data

    def _skip(self, size: int) -> None:
        if self._length is not None:
            if self._at + size > self._length:
                raise TarError(f"it ends within {self._name}")
            if size:
                self._at = self._stream.seek(self._at + size)
            return
        while size:
            count = len(self._stream.read(min(size, _SKIP)))
            if not count:
                raise TarError(f"it ends within {self._name}")
            size -= count
            self._at += count


def _stored(kind: bytes, size: int) -> int:
    """Bytes of content that follow a header of this kind."""
    return 0 if kind in b"123456" and kind else size
