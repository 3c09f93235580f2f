import gzip
import io
import tarfile
import time

import pytest
import zstandard

from orchestrator.databases.interface import DatabaseRefused, FetchLimit, OutOfTime
from orchestrator.databases.unpack import unpack

LIMIT = 1024 * 1024


def tar(*members, compress=gzip.compress):
    """An archive of `(name, content)` pairs, or of ready-made members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return compress(buffer.getvalue())


def special(kind, name="trivy.db", link="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.fixture
def read(tmp_path, watch):
    def _read(data, limit=LIMIT, names=("trivy.db", "metadata.json"), watch=watch):
        (tmp_path / "archive").write_bytes(data)
        target = tmp_path / "database"
        wanted = {name: target / name for name in names}
        unpack(tmp_path / "archive", wanted, limit=limit, origin="here", watch=watch)
        return {path.name: path.read_bytes() for path in target.iterdir()}

    return _read


GOOD = (("trivy.db", b"bolt"), ("metadata.json", b"{}"))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bytes])
def test_the_files_that_are_wanted(read, compress):
    assert read(tar(*GOOD, compress=compress)) == {"trivy.db": b"bolt", "metadata.json": b"{}"}


def test_names_as_tar_writes_them_for_a_folder(read):
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    assert read(tar(folder, ("./trivy.db", b"bolt"), ("./metadata.json", b"{}")))["trivy.db"] == b"bolt"


def test_other_files_are_passed_over_wherever_their_names_lead(read, tmp_path):
    evil = [(name, b"evil") for name in ("../outside", "/tmp/outside", "README", "db/trivy.db", "a/../../outside")]
    assert read(tar(*evil, *GOOD)) == {"trivy.db": b"bolt", "metadata.json": b"{}"}
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "database"}


@pytest.mark.parametrize("name", ["trivy.db", "something"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(read, kind, name):
    with pytest.raises(DatabaseRefused, match="plain file"):
        read(tar(special(kind, name), *GOOD))


def test_a_file_that_comes_twice(read):
    with pytest.raises(DatabaseRefused, match="twice"):
        read(tar(*GOOD, ("trivy.db", b"other")))


def test_a_file_that_is_not_there(read):
    with pytest.raises(DatabaseRefused, match=r"metadata\.json"):
        read(tar(("trivy.db", b"bolt")))


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_bomb_ends_at_the_limit(read, compress, tmp_path):
    bomb = tar(("trivy.db", bytes(64 * LIMIT)), compress=compress)
    assert len(bomb) < LIMIT
    with pytest.raises(DatabaseRefused, match="limit"):
        read(bomb)
    assert not list((tmp_path / "database").iterdir())


def test_what_is_passed_over_counts_as_well(read):
    with pytest.raises(DatabaseRefused, match="limit"):
        read(tar(("README", bytes(2 * LIMIT)), *GOOD))


def test_extended_headers_without_end(read):
    bomb = tarfile.TarInfo("trivy.db")
    bomb.pax_headers = {"comment": "x" * (2 * LIMIT)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(bomb)
    with pytest.raises(DatabaseRefused):
        read(gzip.compress(buffer.getvalue()), limit=64 * LIMIT)


def test_members_without_end(read):
    many = [(f"{number}", b"") for number in range(10_001)]
    with pytest.raises(DatabaseRefused, match="members"):
        read(tar(*many, *GOOD), limit=64 * LIMIT)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-40], lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"PK"]
)
@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_damaged_archive(read, compress, damage):
    content = bytes(range(256)) * 64
    with pytest.raises(DatabaseRefused):
        read(damage(tar(("trivy.db", content), ("metadata.json", content), compress=compress)))


def test_it_ends_when_time_is_up(read):
    with pytest.raises(OutOfTime):
        read(tar(*GOOD), watch=FetchLimit(time.monotonic() - 1))
