"""Whatever goes wrong with one cell is the end of that cell: the others run, and the ledger is written."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orchestrator.analysis.pipeline import Pipeline
from orchestrator.config.loading import default_config
from orchestrator.engines.interface import Silent
from orchestrator.engines.local import cell as cell_module
from orchestrator.engines.local import execution as local
from orchestrator.engines.local.execution import Execution
from orchestrator.engines.local.process import Ended
from orchestrator.engines.stop import Stop
from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.inventory import Entry
from orchestrator.model import Ledger, Outcome, Plan, Scan
from orchestrator.volume import records
from orchestrator.volume.layout import Volume
from tests.failing import failing
from tests.planned import plan_here
from tests.tools import layouts, samples

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engines.local.scanners import CellInputs

SCANS = [
    Scan(name=name, image="localhost/x:1", command=("x",), format="scanmatrix", retries=0)
    for name in ("fails", "works")
]
#: One that nobody foresaw, one of the operating system, one of ours; and others of these kinds.
KINDS = [RecursionError(), OSError(errno.ELOOP, os.strerror(errno.ELOOP)), PermanentError("refused")]
TROUBLE = [*KINDS, MemoryError(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), TemporaryError("away")]


class Scanners:
    """Scanners that find nothing, without a process."""

    launcher = property(lambda self: self)
    layers = None

    def missing(self, scan: Scan) -> str:
        return ""

    def warning(self, scans: object) -> str:
        return ""

    def is_process(self, scan: Scan) -> bool:
        return True

    def run(self, scan: Scan, attempt: CellInputs, stopped: object) -> Ended:
        (attempt.work / scan.report).write_bytes(encode_report(scan.name, "1", []))
        return Ended(exit_code=0)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two images, two scans of each; the cell `fails` of the first one is the one in trouble."""
    entries = [
        Entry(reference=str(layouts.write_archive(tmp_path / f"{number}.tar", image)), origin="test", local=True)
        for number, image in enumerate((samples.small(), samples.system()))
    ]
    catalog = {scan.name: scan for scan in SCANS}
    config = default_config(environment={}, scans={"default": list(catalog)})
    return plan_here(config, entries, catalog, run="r1", now=datetime.now(UTC))


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def run(plan: Plan, volume: Volume, scanners: object = None, observer: object = None) -> Ledger:
    with Stop(60) as stop:
        execution = Execution(
            plan, volume, observer or Silent(), stop=stop, client=None, scanners=scanners or Scanners()
        )
        return execution.run()


def failed(ledger: Ledger) -> set[str]:
    assert all(row.reason for row in ledger.rows if row.outcome is Outcome.FAILED)
    assert "never ran" not in {row.reason for row in ledger.rows}
    return {row.cell for row in ledger.rows if row.outcome is Outcome.FAILED}


@pytest.mark.parametrize("error", TROUBLE, ids=repr)
@pytest.mark.parametrize("where", ["stage", "scanner", "begin", "record", "look"])
def test_trouble_with_a_cell_is_its_failure_alone(where, error, plan, volume, monkeypatch):
    evil = next(cell for cell in plan.cells if cell.scan == "fails")
    mine = (evil.target, evil.scan)
    scanners, observer = Scanners(), Silent()
    match where:
        case "stage":
            monkeypatch.setattr(cell_module, "stage", failing(cell_module.stage, lambda *a: a[1:3] == mine, error))
        case "scanner":
            scanners.run = failing(scanners.run, lambda scan, attempt, _: (attempt.target.id, scan.name) == mine, error)
        case "begin":
            observer.cell_started = failing(observer.cell_started, lambda cell: cell == evil, error)
        case "record":
            monkeypatch.setattr(
                records.Records, "write", failing(records.Records.write, lambda self, *a: a[:2] == mine, error)
            )
        case "look":
            hostile = failing(records.Records.look, lambda self, *a: a[:2] == mine and len(a) > 2, error)
            monkeypatch.setattr(records.Records, "look", hostile)  # to resume, and for the ledger
    ledger = run(plan, volume, scanners, observer)
    assert failed(ledger) == {evil.id}
    (row,) = (row for row in ledger.rows if row.cell == evil.id)
    assert str(error) in row.reason or type(error).__name__ in row.reason


@pytest.mark.parametrize("error", KINDS, ids=repr)
@pytest.mark.parametrize("where", ["pull", "pull_started", "pull_finished", "merge"])
def test_trouble_with_a_target_fails_its_cells_alone(where, error, plan, volume, monkeypatch):
    evil = plan.targets[0]
    observer = Silent()
    match where:
        case "pull":
            monkeypatch.setattr(local, "pull", failing(local.pull, lambda _, id_, *__: id_ == evil.id, error))
        case "merge":
            hostile = failing(Pipeline.add, lambda self, rows, _: rows[0].target == evil.id, error)
            monkeypatch.setattr(Pipeline, "add", hostile)
        case _:
            setattr(observer, where, failing(getattr(observer, where), lambda target, *_: target == evil, error))
    assert failed(run(plan, volume, observer=observer)) == {cell.id for cell in plan.cells if cell.target == evil.id}


@pytest.mark.parametrize("error", KINDS, ids=repr)
def test_trouble_with_looking_for_a_scanner_fails_the_cells_of_its_scan(error, plan, volume):
    scanners = Scanners()
    scanners.missing = failing(scanners.missing, lambda scan: scan.name == "fails", error)
    assert failed(run(plan, volume, scanners)) == {cell.id for cell in plan.cells if cell.scan == "fails"}


@pytest.mark.parametrize("error", KINDS, ids=repr)
def test_an_observer_that_fails_at_an_end_changes_none(error, plan, volume):
    observer = Silent()
    observer.cell_finished = failing(observer.cell_finished, lambda *_: True, error)
    assert not failed(run(plan, volume, observer=observer))
    assert not failed(run(plan, volume, observer=observer))  # nothing is left to do


def put_loop(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path)


def put_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not a folder")


def put_folder(path: Path) -> None:
    (path / "x").mkdir(parents=True)


@pytest.mark.parametrize("put", [put_loop, put_file])
def test_a_target_whose_folder_cannot_be_used(put, plan, volume):
    evil = plan.targets[0].id
    put(volume.run(plan.run) / evil)
    assert failed(run(plan, volume)) == {cell.id for cell in plan.cells if cell.target == evil}


def test_a_cell_whose_record_cannot_be_written(plan, volume):
    evil = next(cell for cell in plan.cells if cell.scan == "fails")
    put_folder(volume.record(plan.run, evil.target, evil.scan))
    for _ in range(2):
        assert failed(run(plan, volume)) == {evil.id}


@pytest.mark.parametrize("put", [put_loop, put_file, put_folder])
def test_whatever_lies_in_place_of_a_record_does_not_keep_the_cell_from_running(put, plan, volume):
    evil = next(cell for cell in plan.cells if cell.scan == "fails")
    path = volume.record(plan.run, evil.target, evil.scan)
    put(path)
    ledger = run(plan, volume)
    assert failed(ledger) == ({evil.id} if put is put_folder else set())


def test_a_pipe_in_place_of_a_record_keeps_nobody_waiting(plan, volume):
    evil = next(cell for cell in plan.cells if cell.scan == "fails")
    path = volume.record(plan.run, evil.target, evil.scan)
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert not failed(run(plan, volume))


def test_an_attempt_that_no_ledger_has_judged_yet_is_not_made_again(plan, volume):
    """Its report was refused, it ran again and ended well, and then the call was cut off before its ledger."""
    evil = next(cell for cell in plan.cells if cell.scan == "fails")
    ran = []

    class Lies(Scanners):
        def run(self, scan: Scan, attempt: CellInputs, stopped: object) -> Ended:
            mine = (attempt.target.id, scan.name)  # other cells run at the same time
            ran.append(mine)
            ended = super().run(scan, attempt, stopped)
            if mine == (evil.target, evil.scan):
                (attempt.work / scan.report).write_bytes(b"no report")
            return ended

    assert failed(run(plan, volume, Lies())) == {evil.id}
    ran.clear()
    assert failed(run(plan, volume, Lies())) == {evil.id}
    assert ran == [(evil.target, evil.scan)]
    ledger = volume.results(plan.run) / "ledger.json"
    refused = ledger.read_bytes()
    assert not failed(run(plan, volume))
    ledger.write_bytes(refused)
    ran.clear()
    assert not failed(run(plan, volume, Lies()))
    assert not ran
