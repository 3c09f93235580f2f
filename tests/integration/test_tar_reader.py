"""Our tar reader beside Go's: what both read is the same, and what Go refuses we refuse."""

import gzip
import hashlib
import io
import random
import zlib
from collections.abc import Iterator

import pytest

from orchestrator.kit.compression import decompressed
from orchestrator.kit.tar import TarError, TarReader
from tests.odd_tars import END, file, handmade, mutated
from tests.tools.gotar import Listed, Listing, list_archives

_MOST = 8 << 20


def ours(data: bytes, *, seeking: bool) -> Listing:
    """Our listing in the same form."""
    stream = io.BytesIO(data)
    reader = TarReader(stream, length=len(data) if seeking else None)
    found = []
    try:
        for entry in reader:
            name, link = (text.encode("utf-8", "surrogateescape") for text in (entry.name, entry.link))
            if entry.size <= _MOST or not entry.is_file:
                content = reader.read(entry) if entry.stored or entry.parts is not None else b""
            else:
                content = b""
            found.append(Listed(entry.kind, name, link, entry.size, entry.mode, hashlib.sha256(content).hexdigest()))
    except TarError as error:
        return Listing(tuple(found), str(error))
    return Listing(tuple(found), "")


#: What Go reads and we refuse, deliberately: nothing honest is among it.
_STRICTER = {"padding of the last file cut"}


def agree(go: Listing, mine: Listing) -> bool:
    """Whether both read the same, or we refuse."""
    if mine.error:
        return True
    comparable = [entry for entry in go.entries if entry.size <= _MOST]
    return (
        not go.error
        and comparable == [entry for entry in mine.entries if entry.size <= _MOST]
        and len(go.entries) == len(mine.entries)
    )


@pytest.mark.parametrize("seeking", [True, False])
def test_odd_archives_are_read_as_go_reads_them(seeking: bool) -> None:
    names, archives = zip(*handmade(), strict=True)
    for name, data, go in zip(names, archives, list_archives(archives), strict=True):
        mine = ours(data, seeking=seeking)
        assert agree(go, mine), (name, go, mine)
        assert bool(go.error) == bool(mine.error) or name in _STRICTER, (name, go, mine)


@pytest.mark.parametrize("seed", range(4))
def test_changed_archives_are_read_as_go_reads_them_or_refused(seed: int) -> None:
    seeds = [data for _, data in handmade() if 0 < len(data) < 16_384]
    archives = list(mutated(seeds, 3000, seed))
    read = 0
    for data, go in zip(archives, list_archives(archives), strict=True):
        mine = ours(data, seeking=bool(seed % 2))
        assert agree(go, mine), (data, go, mine)
        read += not mine.error
    assert read > len(archives) // 20  # or nothing was compared


def _gzipped() -> Iterator[bytes]:
    """Streams of gzip, whole and not."""
    tar = b"".join(file(b"f%d" % number, bytes(3000)) for number in range(5)) + END
    one, two = gzip.compress(tar[:4000]), gzip.compress(tar[4000:])
    yield from (one + two, gzip.compress(tar), one + gzip.compress(b"") * 50 + two, gzip.compress(tar) + b"")
    for rubbish in (b"\0", bytes(512), b"rubbish" * 20, b"\x1f\x8b", b"\x1f\x8b\x08\0"):
        yield gzip.compress(tar) + rubbish
        yield one + rubbish + two
    for name in (b"name", b"n" * 500):
        yield b"\x1f\x8b\x08\x08" + bytes(6) + name + b"\0" + gzip.compress(tar)[10:]
    chance = random.Random(5)
    for _ in range(400):
        data = bytearray(chance.choice([one + two, gzip.compress(tar)]))
        if chance.random() < 0.4:
            del data[chance.randrange(len(data)) :]
        else:
            data[chance.choice([chance.randrange(20), chance.randrange(len(data))])] ^= 1 << chance.randrange(8)
        yield bytes(data)


def test_compressed_streams_are_read_as_go_reads_them_or_refused() -> None:
    streams = list(_gzipped())
    read = 0
    for data, go in zip(streams, list_archives(streams, gzipped=True), strict=True):
        try:
            mine = decompressed(io.BytesIO(data)).read() if data[:2] == b"\x1f\x8b" else None
        except (EOFError, zlib.error):
            mine = None
        if mine is not None:
            read += 1
            assert agree(go, ours(mine, seeking=False)), (data, go)
    assert read >= 4
