"""Compressed archives, read in place: every member as it is, in any order, and nothing of them written anywhere."""

import gzip
import io
import random
import resource
import tarfile
import tempfile
import threading
import time

import pytest
import zstandard

from orchestrator.images.local import packed
from orchestrator.images.local.archives import open_local
from orchestrator.images.local.files import open_files
from orchestrator.net.errors import ArchiveError
from tests.odd_tars import file, header
from tests.tools import layouts
from tests.tools.images import Image, layer

PACKERS = {
    "gzip": lambda data: gzip.compress(data, 1),
    "gzip in members": lambda data: b"".join(
        gzip.compress(data[at : at + 100_000], 1) for at in range(0, len(data), 100_000)
    ),
    "zstd": zstandard.ZstdCompressor(level=1).compress,
}


@pytest.fixture
def nowhere(monkeypatch):
    """No temporary files."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a temporary file")

    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)


@pytest.mark.parametrize("packer", PACKERS)
def test_members_are_read_in_any_order_and_by_several_threads(tmp_path, monkeypatch, nowhere, packer):
    monkeypatch.setattr(packed, "_SPACING", 50_000)
    monkeypatch.setattr(packed, "_KEPT_EACH", 1000)
    monkeypatch.setattr(packed, "_MOST_MARKS", 8)
    chance = random.Random(3)
    contents = {f"m{number}": chance.randbytes(chance.choice([10, 3000, 90_000, 200_000])) for number in range(30)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        layouts.write_members(tar, contents)
    path = tmp_path / "a.tar.packed"
    path.write_bytes(PACKERS[packer](buffer.getvalue()))
    wrong = []
    with open_files(path) as files:

        def read(seed: int) -> None:
            names = list(contents)
            random.Random(seed).shuffle(names)
            for name in names:
                with files.open(name) as stream:
                    start = stream.read(4)
                    stream.seek(0)
                    if start + stream.read()[4:] != contents[name] or files.size(name) != len(contents[name]):
                        wrong.append(name)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("cut", [1, 9, 2000])
@pytest.mark.parametrize("packer", PACKERS)
def test_a_truncated_archive_is_damaged(tmp_path, packer, cut):
    path = layouts.write_archive(tmp_path / "a.tar", Image.build([layer({"a": random.Random(1).randbytes(9000)})]))
    path.write_bytes(PACKERS[packer](path.read_bytes())[:-cut])
    with pytest.raises(ArchiveError, match="fetch"), open_local(path):
        pass


def test_an_archive_that_unfolds_to_gigabytes_takes_neither_disk_nor_memory_nor_minutes(tmp_path, monkeypatch, nowhere):
    path = tmp_path / "bomb.tar.gz"
    head = file(b"index.json", b"{}") + header(b"layer.tar", size=6 << 30)
    path.write_bytes(gzip.compress(head) + gzip.compress(bytes(16 << 20), 1) * 384)
    assert path.stat().st_size < 32 << 20
    monkeypatch.setattr(packed, "MOST_UNFOLDED", 1 << 27)
    monkeypatch.setattr(packed, "_FOLDED", 1)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ArchiveError, match="decompress"), open_local(path):
        pass
    assert time.process_time() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_an_archive_that_must_be_read_again_and_again_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "_KEPT_EACH", 0)
    monkeypatch.setattr(packed, "MOST_UNFOLDED", 1 << 20)
    members = {f"m{number}": bytes(20_000) for number in range(50)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        layouts.write_members(tar, members)
    path = tmp_path / "a.tar.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(buffer.getvalue()))
    with open_files(path) as files, pytest.raises(ArchiveError, match="decompress"):
        any(files.open(name).read(1) == b"x" for name in list(reversed(members)) * 20)
