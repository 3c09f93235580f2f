"""What a scanner may keep on disk for a cell."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from orchestrator.engines.local.confine import bound_of_cell, bound_of_database
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.scanners import CellInputs, RefreshFailed, Scanners
from orchestrator.kit.removal import remove_quietly
from orchestrator.model import Database, Limits, Scan, Target

GIBI = 1024**3


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """As pytest's, and gone afterwards: pytest removes trees by recursion, and a later session fails at deep ones."""
    yield tmp_path
    remove_quietly(tmp_path)


def scan(scratch_limit: int = 0, *command: str) -> Scan:
    return Scan("s", "app:v1", command or ("s",), "grype", scratch_limit=scratch_limit)


@pytest.mark.parametrize(
    ("of_all", "of_scan", "bound", "said"),
    [
        (8, 0, 8, "limits.cellDisk"),
        (8, 4, 4, "scratchLimit"),
        (4, 8, 4, "limits.cellDisk"),
        (0, 8, 8, "scratchLimit"),
        (0, 0, 0, ""),
    ],
)
def test_the_lower_bound_holds_and_its_key_is_named(of_all: int, of_scan: int, bound: int, said: str) -> None:
    limits = Limits(cell_disk=of_all)
    assert limits.disk_of(scan(of_scan)) == bound
    of_cell = bound_of_cell(scan(of_scan), limits)
    assert of_cell.size == (bound or sys.maxsize)
    assert said in of_cell.said


def test_a_database_is_no_cell() -> None:
    assert bound_of_database(Limits()).size >= GIBI
    assert bound_of_database(Limits(database_disk=5, cell_disk=3)).size == 5
    assert bound_of_database(Limits(database_disk=0)).size == sys.maxsize


FILLS = "for n in range(8): open(str(n), 'wb').write(bytes(1 << 22))"
#: Where no path leads: its folders take some MiB as well, on most disks.
DEEP = f"import os\nfor _ in range(2500):\n os.mkdir('d'); os.chdir('d')\n{FILLS}"


@pytest.mark.parametrize("fills", [FILLS, DEEP], ids=["here", "deep"])
@pytest.mark.parametrize("of_all", [24 << 20, 0])
def test_a_scanner_that_keeps_more_is_ended_and_the_key_is_named(tmp_path: Path, of_all: int, fills: str) -> None:
    work, tarball = tmp_path / "work", tmp_path / "image.tar"
    work.mkdir()
    tarball.touch()
    scanners = Scanners(Launcher("process", "x", sandbox="off"), Limits(cell_disk=of_all))
    target = Target("t", "app:1")
    ended = scanners.run(scan(0, sys.executable, "-c", fills), CellInputs(work, target, tarball), str)
    assert ("limits.cellDisk" in ended.error) is bool(of_all)


@pytest.mark.parametrize("loads", [True, False])
@pytest.mark.parametrize("of_all", [24 << 20, 0])
def test_so_is_one_that_makes_its_database(tmp_path: Path, of_all: int, loads: bool) -> None:
    folder, fetched = tmp_path / "incoming", tmp_path / "fetched"
    folder.mkdir()
    fetched.mkdir()
    fills = (sys.executable, "-c", f"import os; os.chdir('{{database}}')\n{FILLS}")
    database = Database(load=fills) if loads else Database(refresh=fills)
    one = msgspec.structs.replace(scan(0, sys.executable), database=database)
    scanners = Scanners(Launcher("process", "x", sandbox="off"), Limits(database_disk=of_all, cell_disk=1))
    if not of_all:
        scanners.refresh(one, folder, fetched if loads else None, str)
        return
    with pytest.raises(RefreshFailed, match=r"more than 25165824 bytes .*limits\.databaseDisk"):
        scanners.refresh(one, folder, fetched if loads else None, str)
