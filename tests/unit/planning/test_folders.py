"""`dir:` targets: a plain folder is a repository of one commit; nothing outside of it is read, whatever lies in it."""

import errno
import os
import subprocess
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.api.plan import load_config, make_plan
from orchestrator.cli.app import app
from orchestrator.kit import trees
from orchestrator.kit.trees import Trail
from orchestrator.model import TargetKind
from orchestrator.repositories.bounds import Bounds, RepositoryError
from orchestrator.repositories.folder import FolderChangedError, FolderCopy, FolderError, copy_folder

BOUNDS = Bounds(10_000_000, 1000)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    (path / "sub").mkdir(parents=True)
    (path / "a.txt").write_text("a")
    (path / "sub" / 'odd "name"\n\\ü').write_text("odd")
    (path / "run.sh").write_text("#!/bin/sh\n")
    (path / "run.sh").chmod(0o755)
    (path / ".gitignore").write_text("*.txt\n")
    return path


@pytest.fixture
def copy(tmp_path: Path):
    def make(path: Path, bounds: Bounds = BOUNDS) -> FolderCopy:
        return copy_folder(path, tmp_path / "volume" / "kept", bounds, without=tmp_path / "volume")

    return make


def files(found: FolderCopy) -> dict[str, tuple[str, bytes]]:
    """Mode and content of each file, as git has it."""
    repository = found.url.removeprefix("file://")

    def git(*words: str) -> bytes:
        return subprocess.run(["git", "-C", repository, *words], check=True, capture_output=True).stdout

    listed = git("ls-tree", "-r", "-z", found.commit).decode("utf-8", "surrogateescape").split("\0")[:-1]
    told = {}
    for line in listed:
        fields, path = line.split("\t", 1)
        mode, _, name = fields.split()
        told[path] = (mode, git("cat-file", "blob", name))
    return told


def test_every_file_is_there_as_it_is(source, copy):
    assert files(copy(source)) == {
        "a.txt": ("100644", b"a"),
        ".gitignore": ("100644", b"*.txt\n"),
        "run.sh": ("100755", b"#!/bin/sh\n"),
        'sub/odd "name"\n\\ü': ("100644", b"odd"),
    }


def test_the_same_files_are_the_same_target_and_others_are_another(source, copy, tmp_path):
    first = copy(source)
    os.utime(source / "a.txt", (1, 1))
    assert copy(source) == first
    assert [path.name for path in (tmp_path / "volume" / "kept").iterdir()] == [f"dir-{first.commit}.git"]
    (source / "a.txt").write_text("b")
    assert copy(source).commit != first.commit


def test_no_link_is_followed(source, copy, tmp_path):
    secret = tmp_path / "outside"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (source / "file").symlink_to(secret / "key")
    (source / "folder").symlink_to(secret)
    (source / "up").symlink_to("../outside/key")
    found = files(copy(source))
    assert {name for name in found if "key" in name} == set()
    assert found["file"] == ("120000", os.fsencode(secret / "key"))
    assert not any(b"secret" in content for _, content in found.values())


def test_a_link_that_names_the_folder_itself_is_meant(source, copy, tmp_path):
    (tmp_path / "link").symlink_to(source)
    assert copy(tmp_path / "link") == copy(source)


def test_what_is_no_file_of_it_is_left_out_and_said(source, copy):
    os.mkfifo(source / "pipe")
    for place in (source, source / "sub"):
        (place / ".git").mkdir()
        (place / ".git" / "config").write_text("[core]")
    found = copy(source)
    assert not any(".git/" in name or name == "pipe" for name in files(found))
    assert found.left_out == (f"{source}: 1 devices, pipes and sockets are left out",)


def test_our_own_volume_in_it_is_left_out(source):
    volume = source / "scanmatrix-data"
    for _ in range(2):
        found = copy_folder(source, volume / "kept", BOUNDS, without=volume)
        assert not any("scanmatrix-data" in name for name in files(found))


@pytest.fixture
def entered(monkeypatch):
    """Names of the folders that are gone into, by the folder that the way begins at."""
    names: dict[Path, list[str]] = defaultdict(list)
    enter = Trail.enter
    monkeypatch.setattr(Trail, "enter", lambda self, name: (names[self._top].append(name), enter(self, name)))
    return names


def test_what_is_left_out_is_not_gone_into(source, entered):
    """Whatever its size and depth."""
    volume = source / "scanmatrix-data"
    for path in (source / ".git", source / "sub" / ".git", volume):
        (path / "within").mkdir(parents=True)
    copy_folder(source, volume / "kept", BOUNDS, without=volume)
    assert entered[source] == ["sub"]


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no filesystem is mounted there")
def test_another_filesystem_is_not_gone_into(copy, entered):
    """One that may not be read, or does not answer, is no trouble."""
    with suppress(FolderError):
        assert any("other filesystems" in said for said in copy(Path("/dev")).left_out)
    assert "shm" not in entered[Path("/dev")]


@pytest.mark.parametrize("name", ["", "kept"])
def test_the_volume_itself_is_refused(tmp_path, copy, name):
    """Each copy would hold the ones before it."""
    (tmp_path / "volume" / "kept").mkdir(parents=True)
    (tmp_path / "volume" / "kept" / "a").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "volume")
    for path in (tmp_path / "volume" / name, tmp_path / "link" / name):
        with pytest.raises(FolderError, match="is the volume"):
            copy(path)


def test_a_folder_that_cannot_be_read_is_named_with_its_path(source, copy, monkeypatch):
    def refuse(name, *_args, **_more):
        if name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return opened(name, *_args, **_more)

    opened = os.open
    monkeypatch.setattr(trees.os, "open", refuse)
    with pytest.raises(FolderError, match=f"{source}/sub cannot be read: Permission denied"):
        copy(source)


@pytest.mark.parametrize(
    ("bounds", "said"), [(Bounds(10, 1000), "limits.repositorySize"), (Bounds(10_000, 3), "limits.repositoryFiles")]
)
def test_one_that_is_too_large_is_refused_before_it_is_read(source, copy, bounds, said):
    with pytest.raises(RepositoryError, match=said):
        copy(source, bounds)


def test_endless_folders_are_refused(source, copy):
    for number in range(50):
        (source / f"empty-{number}").mkdir()
    with pytest.raises(RepositoryError, match="repositoryFiles"):
        copy(source, Bounds(10_000, 10))


def test_one_that_grows_without_end_is_cut_off(source, copy, monkeypatch):
    """A file that is written to while it is read: no more than its size at first is copied, or it is said."""
    growing, stop = source / "log", threading.Event()
    growing.write_bytes(b"x" * 1000)

    def grow() -> None:
        while not stop.is_set() and growing.stat().st_size < BOUNDS.size // 2:
            with growing.open("ab") as file:
                file.write(b"x" * 1000)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        with suppress(FolderChangedError):
            assert len(files(copy(source))["log"][1]) >= 1000
    finally:
        stop.set()
        thread.join()
    assert len(files(copy(source))["log"][1]) == growing.stat().st_size


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, lambda path: None])
def test_what_has_no_files_is_refused(tmp_path, copy, make):
    make(tmp_path / "x")
    with pytest.raises(FolderError):
        copy(tmp_path / "x")
    kept = tmp_path / "volume" / "kept"
    assert not kept.exists() or list(kept.iterdir()) == []


def test_it_is_planned_like_a_repository(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(references=["dir:source"], volume=tmp_path / "volume")
    (target,) = make_plan(config, scans=["secrets"]).targets
    assert (target.kind, target.reference, target.error) == (TargetKind.REPOSITORY, f"dir:{source}", "")
    assert target.pull == f"file://{tmp_path}/volume/kept/dir-{target.commit}.git"
    refused = CliRunner().invoke(app, ["plan", "dir:source", "--engine", "argo", "--scan", "secrets"])
    assert "a folder of this machine" in " ".join(refused.output.split())
