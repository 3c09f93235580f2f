"""Partial files: one writer, nothing left, and what a killed writer leaves is taken over or removed."""

import ctypes
import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.errors import Cancelled, VolumeFullError
from orchestrator.volume import _linux, partial
from orchestrator.volume.partial import IDLE, STAMP, claim, sweep


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "blobs" / "sha256-1.tar"


def _hidden(final: Path) -> Path:
    return final.with_name(f".{final.name}.partial")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _fail(final: Path, error: BaseException, *, keep: bool) -> None:
    with claim(final, cancelled=_never()) as mine:
        mine.write(0, b"half")
        mine.keep = keep
        raise error


def _never() -> threading.Event:
    return threading.Event()


def _put(final: Path, content: bytes) -> None:
    with claim(final, cancelled=_never()) as mine:
        mine.reserve(len(content))
        mine.write(0, content)
        mine.commit(final)


def test_a_committed_file_is_whole_read_only_and_alone(final: Path) -> None:
    _put(final, b"x" * 100_000)
    assert final.read_bytes() == b"x" * 100_000
    status = final.stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns, status.st_size) == (0o444, STAMP, 100_000)
    assert _names(final.parent) == [final.name]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(final: Path, error: type[BaseException]) -> None:
    with pytest.raises(error):
        _fail(final, error(), keep=False)
    assert _names(final.parent) == []


def test_what_is_worth_keeping_is_taken_over(final: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail(final, ZeroDivisionError(), keep=True)
    with claim(final, cancelled=_never()) as mine:
        assert os.pread(mine.descriptor, 4, 0) == b"half"
    assert _names(final.parent) == []


def test_one_writes_and_the_others_wait(final: Path) -> None:
    writing, most, wrote = 0, 0, 0
    guard = threading.Lock()

    def worker(_: int) -> None:
        nonlocal writing, most, wrote
        with claim(final, cancelled=_never()) as mine:
            with guard:
                writing += 1
                most = max(most, writing)
            if not final.exists():
                mine.write(0, b"once")
                wrote += 1
                time.sleep(0.02)
                with guard:
                    writing -= 1
                mine.commit(final)
            else:
                with guard:
                    writing -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(worker, range(8)))
    assert (most, wrote) == (1, 1)
    assert _names(final.parent) == [final.name]


def test_another_process_that_was_killed_is_no_obstacle(final: Path) -> None:
    code = (
        "import sys, time, threading; from pathlib import Path; from orchestrator.volume.partial import claim\n"
        "with claim(Path(sys.argv[1]), cancelled=threading.Event()) as mine:\n"
        "    mine.write(0, b'killed'); print(flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(final)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert sweep(final.parent, idle=0) == 0  # a live writer is not robbed
    with pytest.raises(Cancelled):
        _wait_cancelled(final)
    process.kill()
    process.communicate()
    with claim(final, cancelled=_never()) as mine:
        assert os.pread(mine.descriptor, 6, 0) == b"killed"
        mine.commit(final)
    assert _names(final.parent) == [final.name]


def _wait_cancelled(final: Path) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    try:
        with claim(final, cancelled=stop):
            pass
    finally:
        timer.join()


def test_what_nobody_writes_is_swept_once_it_is_old(final: Path) -> None:
    final.parent.mkdir()
    old, young = _hidden(final), final.with_name(".sha256-2.tar.partial")
    for path, age in ((old, IDLE + 60), (young, IDLE - 60)):
        path.write_bytes(b"left")
        os.utime(path, (time.time() - age,) * 2)
    (final.parent / ".sha256-3.tar.partial").symlink_to("/etc/hostname")
    assert sweep(final.parent) == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert sweep(final.parent, idle=0) == 1
    assert (final.parent / ".sha256-3.tar.partial").is_symlink()


@pytest.fixture
def _no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_each_writes_a_file_of_its_own(final: Path) -> None:
    with claim(final, cancelled=_never()) as one, claim(final, cancelled=_never()) as two:
        assert one.path != two.path
        one.write(0, b"one")
        two.write(0, b"two")
        one.commit(final)
        two.commit(final)
    assert final.read_bytes() == b"two"
    left = [path for path in final.parent.iterdir() if path != final]
    assert all(path.stat().st_size == 0 for path in left)
    assert sweep(final.parent, idle=0) == 0  # only the age tells, so what is young stays
    for path in left:
        os.utime(path, (time.time() - IDLE - 60,) * 2)
    sweep(final.parent)
    assert _names(final.parent) == [final.name]


def test_a_full_volume_is_known_at_once_and_named(final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(partial, "allocate", full)
    with pytest.raises(VolumeFullError) as error, claim(final, cancelled=_never()) as mine:
        mine.reserve(123_456_789)
    assert "123456789" in str(error.value)
    assert str(final.parent) in str(error.value)
    assert _names(final.parent) == []


def test_what_killed_writers_left_makes_room(final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    final.parent.mkdir()
    leftover = final.with_name(".sha256-2.tar.partial")
    leftover.write_bytes(b"left")

    def allocate(descriptor: int, size: int) -> None:
        if leftover.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(partial, "allocate", allocate)
    _put(final, b"fits now")
    assert _names(final.parent) == [final.name]


def test_space_is_really_taken(final: Path) -> None:
    with claim(final, cancelled=_never()) as mine:
        mine.reserve(3_000_000)
        status = os.fstat(mine.descriptor)
        assert status.st_size == 3_000_000
        assert status.st_blocks * 512 >= 3_000_000 or _linux.is_in_memory(mine.descriptor)


def _has_free(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """No space can be taken ahead, and so much of it is free."""
    monkeypatch.setattr(partial, "allocate", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=pages, f_frsize=4096))


def test_where_no_space_is_taken_ahead_what_others_still_need_is_not_free(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _has_free(monkeypatch, 150)
    with claim(final, cancelled=_never()) as mine:
        mine.reserve(100 * 4096)
        mine.write(0, bytes(60 * 4096))  # 40 pages more to come
        _put(final.with_name("sha256-2.tar"), bytes(110 * 4096))
        with (
            pytest.raises(VolumeFullError) as error,
            claim(final.with_name("sha256-3.tar"), cancelled=_never()) as other,
        ):
            other.reserve(111 * 4096)
        assert str(40 * 4096) in str(error.value)
    assert _names(final.parent) == ["sha256-2.tar"]


@pytest.mark.parametrize(("held", "asked"), [(0, 101), (60, 41)])
def test_who_is_refused_takes_no_space_from_others(
    final: Path, monkeypatch: pytest.MonkeyPatch, held: int, asked: int
) -> None:
    """Also while its file is still there: what cannot be pulled must fail no other pull."""
    _has_free(monkeypatch, 100)
    first, refused = final.with_name("sha256-2.tar"), final.with_name("sha256-3.tar")
    with claim(first, cancelled=_never()) as holder, claim(refused, cancelled=_never()) as mine:
        holder.reserve(held * 4096)
        with pytest.raises(VolumeFullError):
            mine.reserve(asked * 4096)
        _put(final, bytes((100 - held) * 4096))
    assert _names(final.parent) == [final.name]


def test_where_no_space_is_taken_ahead_nobody_is_refused_for_what_was_left_behind(
    final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _has_free(monkeypatch, 150)
    final.parent.mkdir()
    with final.with_name(".sha256-2.tar.partial").open("wb") as left:
        left.truncate(100 * 4096)
    _put(final, bytes(100 * 4096))
    assert _names(final.parent) == [final.name]


def test_in_memory_no_page_is_taken_before_it_is_written() -> None:
    """It would cost as much as writing it does."""
    with tempfile.TemporaryFile(dir="/dev/shm") as file:
        if not _linux.is_in_memory(file.fileno()):
            pytest.skip("/dev/shm is no tmpfs")
        assert not _linux.allocate(file.fileno(), 3_000_000)
        assert os.fstat(file.fileno()).st_blocks == 0


def test_a_signal_does_not_fail_an_allocation(final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`fallocate` is not begun again by the kernel, nor by Python, which does not know it."""
    asked = []

    def fallocate(descriptor: int, mode: int, offset: int, size: int) -> int:
        asked.append(size)
        ctypes.set_errno(errno.EINTR)
        return -1 if len(asked) < 3 else 0

    monkeypatch.setattr(_linux, "_FALLOCATE", fallocate)
    monkeypatch.setattr(_linux, "is_in_memory", lambda _: False)
    _put(final, b"whole")
    assert asked == [5, 5, 5]


def test_without_fallocate_the_free_space_decides(final: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_linux, "_FALLOCATE", None)
    _put(final, b"x")
    with pytest.raises(VolumeFullError), claim(final.with_name("sha256-2.tar"), cancelled=_never()) as mine:
        mine.reserve(1 << 42)
