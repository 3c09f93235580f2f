"""Tar files as tables: what has no place in an image archive is refused by its name."""

import io
import tarfile
from pathlib import Path

import pytest

from orchestrator.images.members import read_members, section
from orchestrator.net.errors import ArchiveError
from tests.odd_tars import END, base256, file, header, long, sparse_old


def _tar(path: Path, *entries: tuple[str, bytes, bytes | str]) -> Path:
    """Members of (name, type, content or link target)."""
    with tarfile.open(path, "w") as tar:
        for name, kind, content in entries:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(content, str):
                member.linkname = content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def _read(path: Path) -> dict[str, bytes]:
    with path.open("rb") as file:
        return {name: section(file.fileno(), *member).read() for name, member in read_members(file, path).items()}


def test_regular_members_by_normalised_name(tmp_path: Path) -> None:
    path = _tar(
        tmp_path / "a.tar",
        ("./x", tarfile.REGTYPE, b"1"),
        ("d/", tarfile.DIRTYPE, b""),
        ("d//y", tarfile.REGTYPE, b"22"),
        ("empty", tarfile.REGTYPE, b""),
    )
    assert _read(path) == {"x": b"1", "d/y": b"22", "empty": b""}


def test_links_within_the_archive_count_as_what_they_name(tmp_path: Path) -> None:
    path = _tar(
        tmp_path / "a.tar",
        ("one/layer.tar", tarfile.REGTYPE, b"layer"),
        ("two/layer.tar", tarfile.SYMTYPE, "../one/layer.tar"),
        ("three", tarfile.LNKTYPE, "one/layer.tar"),
    )
    assert set(_read(path).values()) == {b"layer"}


@pytest.mark.parametrize(
    ("name", "kind", "content"),
    [
        ("../evil", tarfile.REGTYPE, b"x"),
        ("a/../../evil", tarfile.REGTYPE, b"x"),
        ("/etc/evil", tarfile.REGTYPE, b"x"),
        ("..", tarfile.DIRTYPE, b""),
        ("evil", tarfile.SYMTYPE, "/etc/passwd"),
        ("a/evil", tarfile.SYMTYPE, "../../etc/passwd"),
        ("evil", tarfile.SYMTYPE, "nowhere"),
        ("evil", tarfile.SYMTYPE, "evil"),
        ("evil", tarfile.LNKTYPE, "../evil"),
        ("evil", tarfile.CHRTYPE, ""),
        ("evil", tarfile.BLKTYPE, ""),
        ("evil", tarfile.FIFOTYPE, ""),
    ],
)
def test_refused_by_name(tmp_path: Path, name: str, kind: bytes, content: bytes | str) -> None:
    path = _tar(tmp_path / "a.tar", ("good", tarfile.REGTYPE, b"x"), (name, kind, content))
    with pytest.raises(ArchiveError) as error:
        _read(path)
    assert name.rstrip("/") in str(error.value)
    assert str(path) in str(error.value)


def test_truncated(tmp_path: Path) -> None:
    path = _tar(tmp_path / "a.tar", ("big", tarfile.REGTYPE, b"x" * 5000))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ArchiveError, match="big"):
        _read(path)


@pytest.mark.parametrize("data", [b"no tar" * 1000, b"x", b"\x1f\x8b" + b"0" * 600])
def test_not_a_tar(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(ArchiveError):
        _read(tmp_path / "a.tar")


def test_a_header_that_claims_gigabytes_takes_none(tmp_path: Path) -> None:
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.XHDTYPE, 1 << 33
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(member.tobuf(tarfile.GNU_FORMAT))
        file.truncate(1 << 33)  # sparse
    with pytest.raises(ArchiveError):
        _read(path)


def test_a_section_ends_where_it_should(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"0123456789")
    with (tmp_path / "f").open("rb") as file:
        part = section(file.fileno(), 2, 5)
        assert part.read() == b"23456"
        assert part.seek(-2, 2) == 3
        assert part.read(10) == b"56"
        assert part.seek(1) == 1
        assert part.read(2) == b"34"
        beyond = section(file.fileno(), 8, 5)
        assert beyond.read() == b"89"


def test_one_name_twice_is_read_only_where_both_are_the_same(tmp_path: Path) -> None:
    for one, other in (("index.json", "index.json"), ("index.json", "./index.json"), ("a//b", "a/b")):
        path = _tar(tmp_path / "a.tar", (one, tarfile.REGTYPE, b"good"), (other, tarfile.REGTYPE, b"good"))
        assert set(_read(path).values()) == {b"good"}
        for second in (b"evil", b"longer"):
            path = _tar(tmp_path / "a.tar", (one, tarfile.REGTYPE, b"good"), (other, tarfile.REGTYPE, second))
            with pytest.raises(ArchiveError, match="twice"):
                _read(path)


@pytest.mark.parametrize(("first", "second"), [(tarfile.REGTYPE, tarfile.SYMTYPE), (tarfile.SYMTYPE, tarfile.REGTYPE)])
def test_a_file_and_a_link_of_one_name_are_refused(tmp_path: Path, first: bytes, second: bytes) -> None:
    content = {tarfile.REGTYPE: b"good", tarfile.SYMTYPE: "other"}
    path = _tar(
        tmp_path / "a.tar",
        ("other", tarfile.REGTYPE, b"x"),
        ("manifest.json", first, content[first]),
        ("manifest.json", second, content[second]),
    )
    with pytest.raises(ArchiveError, match="twice"):
        _read(path)


def test_a_file_whose_mode_calls_it_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(file(b"manifest.json", b"{}", mode=b"0120644\0", link=b"other") + END)
    with pytest.raises(ArchiveError, match="mode"):
        _read(tmp_path / "a.tar")
    (tmp_path / "a.tar").write_bytes(file(b"manifest.json", b"{}", mode=b"0100644\0") + END)
    assert _read(tmp_path / "a.tar") == {"manifest.json": b"{}"}


@pytest.mark.parametrize(
    "blocks",
    [
        header(b"broken")[:-1] + b"\1",
        bytes(512),
        long(b"L", b"n" * 5000) + file(b"x"),
        header(b"x", kind=b"2", link=b"t" * 100) + long(b"K", b"t" * 1_000_000) + header(b"y", kind=b"2"),
        (long(b"L", b"n" * 1_000_000) + file(b"x")) * 20,
        header(b"x", size=base256(1 << 87)),
        header(b"x", size=base256(1 << 60)),
        sparse_old(b"x", [(0, b"a")], 1000),
    ],
)
def test_broken_and_oversized_headers_are_refused_wherever_they_stand(tmp_path: Path, blocks: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(file(b"index.json", b"{}") + blocks + file(b"manifest.json", b"[]") + END)
    with pytest.raises(ArchiveError):
        _read(tmp_path / "a.tar")
