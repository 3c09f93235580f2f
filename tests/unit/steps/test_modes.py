"""Who may read what we write: the user's umask is kept, and what may hold a secret is never open to all."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.kit.umask import umask
from orchestrator.model import Ledger
from orchestrator.model.documents import encode
from orchestrator.queries import Store
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import PUBLIC, Volume, atomic_file, write_atomic
from tests.aggregation import make_plan


@contextmanager
def masked(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("mask", "private", "public"), [(0, 0o640, 0o644), (0o022, 0o640, 0o644), (0o077, 0o600, 0o600)]
)
def test_files_keep_the_umask_and_are_not_open_to_all(tmp_path: Path, mask: int, private: int, public: int) -> None:
    with masked(mask):
        assert umask() == mask
        write_atomic(tmp_path / "report.json", b"{}")
        with atomic_file(tmp_path / "manifest.yaml", mode=PUBLIC) as file:
            file.write(b"x")
            # Not even while it is written.
            assert all(mode(path) & ~public == 0 for path in tmp_path.iterdir())
        write_atomic(tmp_path / "database", b"", mode=0o444)
    assert mode(tmp_path / "report.json") == private
    assert mode(tmp_path / "manifest.yaml") == public
    assert mode(tmp_path / "database") == 0o444


@pytest.mark.parametrize(("mask", "expected"), [(0, 0o640), (0o022, 0o640), (0o027, 0o640), (0o077, 0o600)])
def test_every_result_of_a_run_and_the_store(tmp_path: Path, mask: int, expected: int) -> None:
    volume = Volume(tmp_path / "volume")
    with masked(mask):
        plan = make_plan(targets=())
        aggregate(plan, volume)
        with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
            store.migrate()
    files = [path for path in volume.results(plan.run).rglob("*") if path.is_file()]
    assert {"ledger.json", "findings.parquet", "merged.csv", "summary.md"} <= {path.name for path in files}
    files += [path for path in tmp_path.glob("store.sqlite3*") if path.suffix != ".lock"]
    assert {path.name: mode(path) for path in files if mode(path) != expected} == {}


def test_a_store_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.touch(mode=0o666)
    path.chmod(0o666)
    with Store(f"sqlite:///{path}") as store:
        store.migrate()
    assert mode(path) == 0o640


def test_nothing_is_left_of_a_file_that_could_not_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / "ledger.json", encode(Ledger(run="r", created="", finished="", rows=())))
    before = (tmp_path / "ledger.json").read_bytes()
    with pytest.raises(ZeroDivisionError), atomic_file(tmp_path / "ledger.json") as file:
        file.write(b"half" * (1 // 0))
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.json"]
    assert (tmp_path / "ledger.json").read_bytes() == before


def test_a_long_name_has_room_for_the_temporary_one(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("x" * 250), b"")
    assert [len(path.name) for path in tmp_path.iterdir()] == [250]
