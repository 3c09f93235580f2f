import os
import time
from pathlib import Path

import msgspec
import pytest

from orchestrator.model import Plan
from orchestrator.model.documents import encode
from orchestrator.upkeep.claims import RunClaim
from orchestrator.upkeep.room import IDLE, clear, lay_by, make_room, spend
from orchestrator.volume.layout import Volume, write_atomic
from tests.filesystems import small_filesystem
from tests.unit.steps.plans import plan, target

SIZE = 8192


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


@pytest.fixture
def later() -> float:
    """A moment by which nobody can be about to link what he has just pulled."""
    return time.time() + IDLE + 60


def limited(made: Plan, blobs: int) -> Plan:
    return msgspec.structs.replace(made, limits=msgspec.structs.replace(made.limits, volume_bytes=blobs * SIZE))


def put(volume: Volume, *names: str) -> list[Path]:
    """Blobs, each used after the one before."""
    found = []
    for name in names:
        blob = volume.blob(target(name).digest)
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(b"x" * SIZE)
        found.append(blob)
        time.sleep(0.02)
    return found


def wanted(*names: str, blobs: int) -> Plan:
    return limited(plan(names, targets=tuple(target(name, size=SIZE) for name in names)), blobs)


def test_the_blobs_used_longest_ago_go_until_the_new_ones_fit_the_budget(volume, later):
    oldest, old, young = put(volume, "a", "b", "c")
    made = wanted("x", "y", blobs=4)
    assert make_room(made, ("x", "y"), volume, now=later) == SIZE
    assert [blob.exists() for blob in (oldest, old, young)] == [False, True, True]
    assert make_room(made, ("x", "y"), volume, now=later) == 0


def test_being_linked_and_let_go_is_use(volume, later, tmp_path):
    first, second = put(volume, "a", "b")
    link = tmp_path / "link"
    link.hardlink_to(first)
    link.unlink()
    make_room(wanted("x", blobs=2), ("x",), volume, now=later)
    assert [first.exists(), second.exists()] == [True, False]


def test_what_is_linked_wanted_young_or_growing_stays(volume, later, tmp_path):
    linked, hoped_for = put(volume, "a", "x")
    (tmp_path / "link").hardlink_to(linked)
    growing = linked.with_name(".sha256-9.tar.partial")
    growing.write_bytes(b"x")
    made = wanted("x", "y", blobs=1)
    assert make_room(made, ("x", "y"), volume, now=later) == 0
    assert [linked.exists(), hoped_for.exists(), growing.exists()] == [True, True, True]
    (tmp_path / "link").unlink()
    assert make_room(made, ("x", "y"), volume) == 0
    assert make_room(made, ("x", "y"), volume, now=later) == SIZE
    assert [linked.exists(), hoped_for.exists()] == [False, True]


def test_without_a_budget_the_free_space_of_the_volume_is_the_bound(later, tmp_path):
    volume = Volume(tmp_path / "small")
    with small_filesystem(volume.root, "1m"):
        blob = volume.blob(target("a").digest)
        blob.parent.mkdir()
        blob.write_bytes(b"x" * 700_000)
        big = plan(("x",), targets=(target("x", size=500_000),))
        small = plan(("y",), targets=(target("y", size=5_000),))
        assert make_room(small, ("y",), volume, now=later) == 0
        assert make_room(big, ("x",), volume, now=later) > 0
        assert not blob.exists()


def test_copies_of_what_lies_elsewhere_count_and_go_after_the_blobs(volume, later):
    [blob] = put(volume, "a")
    volume.kept.mkdir()
    stale, read, young = (volume.kept / name for name in ("docker-1.tar", "podman-2.tar", "stdin-3.tar"))
    for path in (stale, read, young):
        path.write_bytes(b"x" * SIZE)
    folder = volume.kept / "dir-4.git"
    folder.mkdir()
    (folder / "objects").write_bytes(b"x" * SIZE)
    half = volume.kept / ".stdin-5.tar.tmp"
    half.touch()
    os.utime(young, (later, later))
    wants = target("x", size=SIZE, pull=f"file:{read}")
    made = plan(("x",), targets=(wants,))
    assert make_room(limited(made, 8), ("x",), volume, now=later) == 0
    assert make_room(limited(made, 3), ("x",), volume, now=later) >= 3 * SIZE
    assert [path.exists() for path in (blob, stale, folder, read, young, half)] == [False] * 3 + [True] * 3


def test_copies_that_a_run_at_work_reads_stay(volume, later):
    volume.kept.mkdir()
    copy = volume.kept / "docker-1.tar"
    copy.write_bytes(b"x" * SIZE)
    other = plan(("a",), targets=(target("a", size=SIZE, pull=f"file:{copy}"),))
    other = msgspec.structs.replace(other, run="run-other")
    write_atomic(volume.plan(other.run), encode(other))
    write_atomic(volume.claim(other.run), encode(RunClaim(run=other.run)))
    made = wanted("x", blobs=1)
    assert make_room(made, ("x",), volume, now=later) == 0
    assert copy.exists()
    volume.claim(other.run).unlink()
    assert make_room(made, ("x",), volume, now=later) == SIZE
    assert not copy.exists()


def test_a_volume_without_blobs_has_none_to_remove(volume, later):
    assert make_room(wanted("x", blobs=1), ("x",), volume, now=later) == 0


def test_a_reserve_takes_its_room_and_gives_it_back(volume):
    made = plan(("a",))
    assert lay_by(made, volume)
    assert volume.reserve(made.run).stat().st_blocks * 512 >= 8 * 1024 * 1024
    spend(made.run, volume)
    spend(made.run, volume)
    assert not volume.reserve(made.run).exists()


def test_the_reserve_of_a_run_that_was_cut_off_goes_in_the_end(volume):
    cut_off, running = (msgspec.structs.replace(plan(("a",)), run=run) for run in ("run-1", "run-2"))
    lay_by(cut_off, volume)
    lay_by(running, volume)
    os.utime(volume.reserve("run-1"), (0, 0))
    lay_by(msgspec.structs.replace(cut_off, run="run-3"), volume)
    assert [volume.reserve(f"run-{number}").exists() for number in (1, 2, 3)] == [False, True, True]


def test_a_reserve_that_does_not_fit_takes_nothing(tmp_path):
    volume, made = Volume(tmp_path / "small"), plan(("a",))
    with small_filesystem(volume.root, "1m"):
        before = os.statvfs(volume.root).f_bavail
        assert not lay_by(made, volume)
        assert not volume.reserve(made.run).exists()
        assert os.statvfs(volume.root).f_bavail >= before - 1


def test_the_end_of_a_run_gives_back_its_own_blobs_and_no_others_that_are_young(volume, tmp_path):
    mine, other, shared = put(volume, "a", "z", "b")
    (tmp_path / "link").hardlink_to(shared)
    made = plan(("a", "b"))
    lay_by(made, volume)
    assert clear(made, volume) == SIZE
    assert [mine.exists(), other.exists(), shared.exists()] == [False, True, True]
    assert not volume.reserve(made.run).exists()
