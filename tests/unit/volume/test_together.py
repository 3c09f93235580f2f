"""Small files that become durable together."""

from pathlib import Path

import pytest

from orchestrator.volume.layout import PRIVATE, TEMPORARY
from orchestrator.volume.together import MOST, FilesTogether


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_when_it_is_settled(tmp_path):
    with FilesTogether() as files:
        for name in ("a", "b"):
            files.write(tmp_path / "x" / name, name.encode(), modified=1_000)
            assert tmp_path / "x" / name in files
        assert len(list((tmp_path / "x").glob(TEMPORARY))) == 2
        files.settle()
        assert names(tmp_path / "x") == ["a", "b"]
        assert tmp_path / "x" / "a" not in files
    assert (tmp_path / "x" / "b").read_bytes() == b"b"
    status = (tmp_path / "x" / "b").stat()
    assert (int(status.st_mtime), status.st_mode & ~PRIVATE & 0o777) == (1_000, 0)


def test_what_is_not_settled_leaves_nothing_and_changes_nothing(tmp_path):
    (tmp_path / "a").write_bytes(b"before")
    with FilesTogether() as files:
        files.write(tmp_path / "a", b"after", modified=0)
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_many_are_settled_before_the_next_waits_and_so_is_one_of_the_same_name(tmp_path):
    with FilesTogether() as files:
        for number in range(MOST):
            files.write(tmp_path / str(number), b"", modified=0)
        assert len(list(tmp_path.glob(TEMPORARY))) == MOST
        files.write(tmp_path / "last", b"1", modified=0)
        assert list(tmp_path.glob(TEMPORARY)) == list(tmp_path.glob(".last.*"))
        files.write(tmp_path / "last", b"2", modified=0)
        assert (tmp_path / "last").read_bytes() == b"1"
        files.settle()
    assert (tmp_path / "last").read_bytes() == b"2"


def test_one_that_cannot_be_written_or_named_leaves_nothing_behind(tmp_path):
    (tmp_path / "folder").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with FilesTogether() as files:
        files.write(tmp_path / "folder", b"a folder has this name", modified=0)
        files.write(tmp_path / "z", b"", modified=0)
        with pytest.raises(IsADirectoryError):
            files.settle()
        with pytest.raises(OverflowError):
            files.write(tmp_path / "y", b"", modified=1 << 80)
    assert names(tmp_path) == ["folder"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
