"""Whatever a stranger left in a folder, the folder goes, and nothing outside of it does."""

import itertools
import os
import shutil
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.kit import removal
from orchestrator.kit.removal import remove, remove_quietly, temporary_folder
from tests.examples import examples
from tests.ordinary_user import run_as_ordinary_user


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: on a disk of others, thousands of folders take their time."""
    shared = Path("/dev/shm")
    with temporary_folder(parent=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield folder


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "inner").mkdir(parents=True)
    (kept / "inner" / "file").write_text("ours")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(kept)
    (folder / "sub" / "link").symlink_to(kept / "inner")
    (tmp_path / "top").symlink_to(kept)
    remove(folder)
    remove(tmp_path / "top")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "inner" / "file").read_text() == "ours"


def test_files_pipes_and_folders_of_all_modes_go(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    os.mkfifo(folder / "a" / "pipe")
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    folder.chmod(0)
    remove(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deepest", [1, 10_000])
def test_modes_do_not_keep_folders_from_a_user_who_is_not_root(tmp_path: Path, deepest: int) -> None:
    imports = "import pathlib; from orchestrator.kit import removal; from orchestrator.kit.removal import remove"
    code = (
        f"removal._DEEPEST = {deepest}\n"
        "folder = pathlib.Path('mine'); (folder / 'a' / 'b').mkdir(parents=True)\n"
        "(folder / 'a' / 'b' / 'file').write_text('x')\n"
        "for path in (folder / 'a' / 'b', folder / 'a', folder): path.chmod(0)\n"
        "remove(folder); assert not folder.exists()\n"
    )
    run_as_ordinary_user(tmp_path, imports, code)


def deep(top: Path, levels: int) -> None:
    """A folder with a file that many folders deep, whose path nobody could spell."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("level", dir_fd=here)
        below = os.open("level", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("levels", [1_200, 20_000])
def test_a_tree_of_thousands_of_levels_goes_in_a_moment(memory: Path, levels: int) -> None:
    folder = memory / "folder"
    deep(folder, levels)
    began, limit = time.process_time(), sys.getrecursionlimit()
    remove(folder)
    assert not folder.exists()
    assert time.process_time() - began < 10
    assert sys.getrecursionlimit() == limit


def test_depth_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "_DEEPEST", 20)
    deep(tmp_path / "folder", 500)
    (tmp_path / "folder" / "level" / "sub").mkdir()
    remove(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_many_entries_take_no_memory(memory: Path) -> None:
    folder = memory / "folder"
    folder.mkdir()
    for number in range(20_000):
        (folder / f"{number}").mkdir() if number % 8 == 0 else (folder / f"{number}").touch()
    tracemalloc.start()
    remove(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not folder.exists()
    assert peak < 500_000


def test_names_that_are_no_text_go_and_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    os.makedirs(os.fsencode(folder) + b"/\xff\xfe/\n")  # noqa: PTH103 - bytes that no Path has
    (folder / "\udc80").write_bytes(b"x")
    remove(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_what_is_mounted_in_a_tree_is_left_alone_and_named(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    for place in (folder / "sub" / "mounted", folder / "gone", other):
        place.mkdir(parents=True)
    (other / "ours").write_text("x")
    if subprocess.run(["mount", "--bind", other, folder / "sub" / "mounted"], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError, match="mounted on it") as raised:
            remove(folder)
        with pytest.raises(OSError, match="mounted on it"):
            remove(folder / "sub" / "mounted")
    finally:
        subprocess.run(["umount", folder / "sub" / "mounted"], check=True)
    assert raised.value.filename == str(folder / "sub" / "mounted")
    assert (other / "ours").read_text() == "x"
    assert not (folder / "gone").exists()
    remove(folder)
    assert not folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file immutable")
@pytest.mark.skipif(shutil.which("chattr") is None, reason="no chattr (Debian's e2fsprogs)")
def test_what_is_immutable_is_named_and_keeps_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    for name in ("a/b/kept", "a/b/gone", "gone"):
        (folder / name).write_text("x")
    if subprocess.run(["chattr", "+i", folder / "a" / "b" / "kept"], capture_output=True, check=False).returncode:
        pytest.skip("this filesystem has no immutable files")
    try:
        with pytest.raises(OSError, match="immutable") as raised:
            remove(folder)
        remove_quietly(folder)
    finally:
        subprocess.run(["chattr", "-i", folder / "a" / "b" / "kept"], check=True)
    assert raised.value.filename == str(folder / "a" / "b" / "kept")
    assert [path.name for path in folder.rglob("*")] == ["a", "b", "kept"]
    remove(folder)
    assert not folder.exists()


@pytest.mark.parametrize("harm", ["writes", "moves"])
def test_somebody_who_still_works_in_it_keeps_nobody_waiting(
    tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_LONGEST", 0.2)
    folder, outside, ended = tmp_path / "folder", tmp_path / "outside", threading.Event()
    (folder / "sub" / "below").mkdir(parents=True)
    outside.mkdir()
    (outside / "ours").write_text("x")

    def work() -> None:
        for number in itertools.count():
            if ended.is_set():
                return
            with suppress(OSError):
                if harm == "writes":
                    (folder / "sub" / "below" / f"{number}").mkdir(parents=True)
                else:
                    (folder / "sub" / "below").rename(outside / "below")
                    (outside / "below").rename(folder / "sub" / "below")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            remove_quietly(folder)
    finally:
        ended.set()
        thread.join()
    monkeypatch.undo()
    remove(folder)
    assert not folder.exists()
    assert (outside / "ours").read_text() == "x"


NAMES = st.binary(min_size=1, max_size=4).filter(lambda name: not set(name) & {0, 47} and name not in {b".", b".."})
TREES = st.recursive(st.sampled_from(["file", "link", "pipe"]), lambda below: st.dictionaries(NAMES, below, max_size=4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(20))
@given(tree=st.dictionaries(NAMES, TREES, max_size=4), modes=st.lists(st.sampled_from([0, 0o111, 0o700]), min_size=1))
def test_any_tree_goes_and_nothing_else(tmp_path: Path, tree: dict[bytes, object], modes: list[int]) -> None:
    kept, top = os.fsencode(tmp_path / "kept"), os.fsencode(tmp_path / "top")
    os.makedirs(kept, exist_ok=True)  # noqa: PTH103 - bytes
    mode = itertools.cycle(modes)

    def make(path: bytes, what: object) -> None:
        if isinstance(what, dict):
            os.mkdir(path)  # noqa: PTH102 - bytes
            for name, below in what.items():
                make(path + b"/" + name, below)
            os.chmod(path, next(mode))  # noqa: PTH101 - bytes
        elif what == "link":
            os.symlink(kept, path)  # noqa: PTH211 - bytes that no Path has
        elif what == "pipe":
            os.mkfifo(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o000))

    make(top, tree)
    remove(tmp_path / "top")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_temporary_folder_goes_whatever_is_left_in_it(tmp_path: Path) -> None:
    with temporary_folder(parent=tmp_path) as folder:
        deep(folder / "deep", 1_200)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_go_is_reported_or_not(tmp_path: Path) -> None:
    absent = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("x")
    remove_quietly(absent)
    with pytest.raises(NotADirectoryError):
        remove(absent)
