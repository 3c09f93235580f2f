"""Our tar reader beside Go's: what both read is the same, and what Go refuses we refuse."""

import hashlib
import io

import pytest

from orchestrator.kit.tar import TarError, TarReader
from tests.odd_tars import handmade, mutated
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
