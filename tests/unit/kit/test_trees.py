"""Trees of strangers are walked whatever their depth, names and modes."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.kit.removal import remove_quietly
from orchestrator.kit.trees import MovedError, Trail, TreeSize, measure, trail_of, walk
from tests.unit.kit.test_removal import deep, memory

__all__ = ["memory"]
ALL = TreeSize(sys.maxsize, sys.maxsize)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """As pytest's, and gone afterwards: pytest removes trees by recursion, and a later session fails at deep ones."""
    yield tmp_path
    remove_quietly(tmp_path)


def test_everything_is_found_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    (tmp_path / "top" / "a" / "b" / "file").write_text("x")
    (tmp_path / "top" / "out").symlink_to(tmp_path)
    (tmp_path / "top" / "\udcff").touch()
    found = {entry.relative: (entry.depth, entry.is_folder, entry.is_file) for entry in walk(tmp_path / "top")}
    assert found == {
        "a": (0, True, False),
        "a/b": (1, True, False),
        "a/b/file": (2, False, True),
        "out": (0, False, False),
        "\udcff": (0, False, True),
    }


@pytest.mark.parametrize("levels", [1_200, 20_000])
def test_depth_does_not_matter(memory: Path, levels: int) -> None:
    deep(memory / "top", levels)
    assert max(entry.depth for entry in walk(memory / "top")) == levels
    assert measure([memory / "top"], ALL).entries == levels + 1


def test_what_lies_deeper_than_a_path_can_name_counts(tmp_path: Path) -> None:
    deep(tmp_path / "top", 1_000)
    with trail_of(tmp_path / "top") as trail:
        for _ in range(1_000):
            trail.enter("level")
        descriptor = os.open("large", os.O_CREAT | os.O_WRONLY, dir_fd=trail.descriptor)
        os.write(descriptor, bytes(1 << 20))
        os.fsync(descriptor)
        os.close(descriptor)
        assert len(trail.path("large")) < 300
    assert measure([tmp_path / "top"], ALL).disk >= 1 << 20


def test_a_file_of_several_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    os.sync()
    once = measure([tmp_path], ALL).disk
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert measure([tmp_path], ALL) == TreeSize(once, 2)


def test_measuring_stops_at_its_bounds(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}").touch()
    assert measure([tmp_path], TreeSize(sys.maxsize, 10)).entries == 11
    assert measure([tmp_path / "nothing"], ALL) == TreeSize()


def test_a_folder_that_was_moved_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    with trail_of(tmp_path / "top") as trail:
        trail.enter("a")
        trail.enter("b")
        (tmp_path / "top" / "a" / "b").rename(tmp_path / "other" / "b")
        with pytest.raises(MovedError, match="moved"):
            trail.leave()
    with trail_of(tmp_path / "top") as trail:
        (tmp_path / "top" / "link").symlink_to(tmp_path / "other")
        with pytest.raises(OSError, match="link"):
            trail.enter("link")


def test_measuring_leaves_modes_alone_that_do_not_keep_it_out(tmp_path: Path) -> None:
    (tmp_path / "fixed").mkdir()
    (tmp_path / "fixed" / "file").touch()
    (tmp_path / "fixed").chmod(0o555)
    (tmp_path / "closed").mkdir(0)
    assert measure([tmp_path], ALL).entries == 3
    assert (tmp_path / "fixed").stat().st_mode & 0o777 == 0o555
    assert (tmp_path / "closed").stat().st_mode & 0o500 == 0o500


def test_who_moves_folders_hides_nothing_that_another_look_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "top" / name).mkdir(parents=True)
        (tmp_path / "top" / name / "file").write_bytes(b"x" * 50_000)
    os.link(tmp_path / "top" / "a" / "file", tmp_path / "top" / "c" / "link")
    whole = measure([tmp_path / "top"], ALL)
    leave, moves = Trail.leave, iter(range(5))

    def moved(self: Trail) -> str:
        if next(moves, None) is not None:
            raise MovedError
        return leave(self)

    monkeypatch.setattr(Trail, "leave", moved)
    assert measure([tmp_path / "top"], ALL) == whole
    assert next(moves, None) is None
