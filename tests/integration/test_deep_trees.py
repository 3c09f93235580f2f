"""What is too deep to have a path costs its own cells, and no others: repositories, and what scanners leave behind."""

import os

import pytest

from orchestrator.model import Outcome
from orchestrator.repositories.bounds import MOST_DEPTH
from tests.integration.test_repositories import _fresh_machine, folder, http, plan_of, run, scan, url, volume
from tests.tools.repositories import deep_commit, make, shop

__all__ = ["_fresh_machine", "folder", "http", "volume"]

#: A scanner that leaves a tree which nobody who calls himself once a level can walk, and closes it.
LEAVES = """
open(report, 'wb').write(good)
here = os.getcwd()
for _ in range(3000):
    os.mkdir('d'); os.chdir('d')
os.mkdir('closed', 0)
os.chmod('.', 0)
os.chmod(os.path.join(here, 'd'), 0)
"""
FAILS = f"{LEAVES}\nsys.exit(3)"


def served(folder, depth):
    make(folder / "team" / "deep.git", {"a": "x"})
    make(folder / "team" / "shop.git", shop())
    deep_commit(folder / "team" / "deep.git", depth)


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 1_200, 20_000])
def test_a_repository_that_is_too_deep_fails_its_own_cells_and_says_why(http, folder, volume, depth):
    served(folder, depth)
    plan = plan_of([url(http, "deep"), url(http)], scan("files"), scan("more"))
    for _ in range(2):  # again is `--resume`
        ledger = run(plan, volume)
        assert len(ledger.rows) == 4
        failed = [row for row in ledger.rows if "/deep.git" in row.references[0]]
        assert {row.outcome for row in ledger.rows if row not in failed} == {Outcome.OK}
        assert {row.outcome for row in failed} == {Outcome.FAILED}
        assert all(f"{depth:,} folders deep" in row.reason and "deep.git" in row.reason for row in failed)
    assert not [path for path in (volume.root / "blobs").iterdir() if path.suffix in {".clone", ".partial"}]
    assert (volume.results("r1") / "merged.parquet").exists()


def test_a_repository_as_deep_as_may_be_is_scanned(http, folder, volume):
    served(folder, MOST_DEPTH)
    found = scan(
        "finds", "n = sum(len(f) for _, _, f in os.walk(checkout))\nassert n == 1\nopen(report, 'wb').write(good)"
    )
    assert {row.outcome for row in run(plan_of(url(http, "deep"), found), volume).rows} == {Outcome.OK}


def test_what_scanners_leave_however_deep_or_closed_is_gone_when_the_run_has_ended(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http), scan("leaves", LEAVES), scan("fails", FAILS), scan("files"))
    for _ in range(2):
        outcomes = {row.scan: row.outcome for row in run(plan, volume).rows}
        assert outcomes == {"leaves": Outcome.OK, "fails": Outcome.FAILED, "files": Outcome.OK}
        left = {path.name for path in (volume.root / "runs" / "r1").glob("*/*/*")}
        assert left == {"report.json"}


def test_what_a_killed_engine_left_of_a_scanner_is_gone_when_the_run_is_resumed(http, folder, volume):
    make(folder / "team" / "shop.git", shop())
    plan = plan_of(url(http), scan("files"))
    (cell,) = plan.cells
    left = volume.cell(plan.run, cell.target, cell.scan) / "attempt-1"
    left.mkdir(parents=True)
    here = os.open(left, os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert {row.outcome for row in run(plan, volume).rows} == {Outcome.OK}
    assert not left.exists()
