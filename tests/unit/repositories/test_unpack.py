"""A tarball's files stay in their folder, whatever the tarball says."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.repositories.bounds import Bounds, RepositoryError, judge_path
from orchestrator.repositories.tarball import is_whole, layout
from orchestrator.repositories.tree import File
from orchestrator.repositories.unpack import leads_to, unpack

BOUNDS = Bounds(size=10_000, files=20)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target)


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def everything(folder: Path) -> dict[str, str]:
    """Content of files, and where links lead, by path."""
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_text()  # noqa: PTH115
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_files_programs_and_links(tmp_path):
    packed = tar(tmp_path / "t.tar", link("first", "a/b"), member("a/b", b"x"), member("run", b"y", mode=0o755))
    done = unpack(packed, tmp_path / "out", BOUNDS)
    assert (done.files, done.links, done.left_out) == (2, 1, ())
    assert everything(tmp_path / "out") == {"a/b": "x", "run": "y", "first": "a/b"}
    assert [bool((tmp_path / "out" / name).stat().st_mode & 0o111) for name in ("a/b", "run")] == [False, True]


def test_set_user_bits_are_not_taken_over(tmp_path):
    unpack(tar(tmp_path / "t.tar", member("run", b"y", mode=0o6755)), tmp_path / "out", BOUNDS)
    assert (tmp_path / "out" / "run").stat().st_mode & 0o7000 == 0


@pytest.mark.parametrize(
    "wrong",
    [
        member("../x"), member("/x"), member("a/../../x"), member(".git/config"), member("a/.Git"), member("a//b"),
        member("device", type=tarfile.CHRTYPE), member("pipe", type=tarfile.FIFOTYPE),
        member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd"), member("folder", type=tarfile.DIRTYPE),
        link("../x", "y"), member("n" * 300),
    ],
    ids=lambda wrong: wrong[0].name[:20],
)  # fmt: skip
def test_anything_else_is_refused(tmp_path, wrong):
    with pytest.raises(RepositoryError):
        unpack(tar(tmp_path / "t.tar", member("good", b"x"), wrong), tmp_path / "out", BOUNDS)
    assert {path.name for path in tmp_path.iterdir()} <= {"t.tar", "out"}


@pytest.mark.parametrize(
    "members",
    [
        (link("a", "/tmp"), member("a/b", b"x")),
        (member("a/b", b"x"), link("a", "/tmp")),
        (member("a", b"x"), member("a/b", b"x")),
        (member("a", b"x"), member("a", b"y")),
        (member("a/b", b"x"), link("a", "c"), member("c/d", b"y")),
    ],
)
def test_two_things_of_one_name_are_refused_and_nothing_is_written_through_a_link(tmp_path, members):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for info, _ in members:
        if info.issym() and info.linkname == "/tmp":
            info.linkname = str(elsewhere)
    packed = tar(tmp_path / "t.tar", *members)
    try:
        unpack(packed, tmp_path / "out", BOUNDS)
    except RepositoryError:
        refused = True
    else:
        refused = False
    assert list(elsewhere.iterdir()) == []
    assert refused or not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([member(f"f{number}") for number in range(21)], "more than 20 files"),
        ([member("a", bytes(6000)), member("b", bytes(6000))], "repositorySize"),
    ],
)
def test_bounds(tmp_path, members, words):
    with pytest.raises(RepositoryError, match=words):
        unpack(tar(tmp_path / "t.tar", *members), tmp_path / "out", BOUNDS)


@pytest.mark.parametrize("length", [0, 100, 600, 1024, 1700])
def test_a_damaged_tarball_is_refused_or_holds_less(tmp_path, length):
    packed = tar(tmp_path / "t.tar", member("a", b"x" * 1000), member("b", b"y"))
    packed.write_bytes(packed.read_bytes()[:length])
    try:
        unpack(packed, tmp_path / "out", BOUNDS)
    except RepositoryError:
        return
    assert set(everything(tmp_path / "out")) <= {"a", "b"}


_part = st.sampled_from(["a", "b", "c", "..", ".", "", "d"])
_path = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=3).map("/".join)
_target = st.lists(_part, min_size=1, max_size=6).map("/".join)


@given(st.dictionaries(_path, _target, max_size=6), st.sets(_path, max_size=6))
def test_a_link_that_is_kept_leads_to_something_within_whatever_the_others_do(tmp_path_factory, links, files):
    """As the kernel sees it: every link that is there can be followed, and ends within."""
    folder = tmp_path_factory.mktemp("out") / "checkout"
    members = [member(name, b"x") for name in sorted(files)] + [link(name, target) for name, target in links.items()]
    try:
        unpack(tar(folder.with_name("t.tar"), *members), folder, BOUNDS)
    except RepositoryError:
        return
    root = os.path.realpath(folder)
    for path in folder.rglob("*"):
        if path.is_symlink():
            real = os.path.realpath(path, strict=True)
            assert real == root or real.startswith(f"{root}/")


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_a_name_that_is_accepted_stays_within(name):
    try:
        judge_path(name)
    except RepositoryError:
        return
    assert os.path.normpath(os.path.join("/root", name)) == f"/root/{name}"  # noqa: PTH118
    assert "\0" not in name


def test_a_link_ends():
    links = {f"l{number}": f"l{number + 1}" for number in range(100)} | {"l100": "file"}
    assert leads_to("l70", links, {""}, {"file"}) == "file"
    assert leads_to("l0", links, {""}, {"file"}) is None


def test_the_first_header_says_which_commit_and_how_long_the_whole_is(tmp_path):
    files = [File("a", "1" * 40, 5), File("ü" * 100, "2" * 40, 513), File("link", "3" * 40, 1, link=True)]
    plan = layout(COMMIT, files, {"link": "a"})
    body = b"".join(header + bytes(-(-(0 if file.link else file.size) // 512) * 512) for file, header in plan.members)
    whole = plan.first + body + bytes(1024)
    assert len(whole) == plan.size
    path = tmp_path / "git.tar"
    path.write_bytes(whole)
    assert is_whole(path, COMMIT)
    assert not is_whole(path, "f" * 40)
    path.write_bytes(whole + b"\0")
    assert not is_whole(path, COMMIT)
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        assert [(one.name, one.size, one.linkname) for one in archive] == [
            ("a", 5, ""), ("ü" * 100, 513, ""), ("link", 0, "a"),
        ]  # fmt: skip
    assert not is_whole(tmp_path / "none", COMMIT)
    (tmp_path / "linked").symlink_to(path)
    assert not is_whole(tmp_path / "linked", COMMIT)
