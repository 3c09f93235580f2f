"""Which cells of a run that is resumed need not run again."""

import pytest

from orchestrator.engines.local.cell import CellRunner
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.scanners import Scanners
from orchestrator.engines.stop import Stop
from orchestrator.model import CellRecord
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import Records
from tests.unit.steps.plans import plan

MOMENT = "2025-06-01T00:00:00Z"
ENDED = CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=0)


@pytest.mark.parametrize(
    ("record", "report", "done"),
    [
        (ENDED, b"{}", True),
        (ENDED, None, False),
        (CellRecord(attempts=1, started=MOMENT, finished=MOMENT, error="no"), b"{}", False),
        (CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=3), b"{}", False),
        (CellRecord(attempts=1, started=MOMENT), b"{}", False),
        (None, b"{}", False),
    ],
)
def test_a_cell_is_done_when_it_ended_well_and_its_report_is_there(tmp_path, record, report, done):
    made, volume = plan(("a",)), Volume(tmp_path)
    cell = made.cells[0]
    folder = volume.cell(made.run, cell.target, cell.scan)
    folder.mkdir(parents=True)
    if report is not None:
        (folder / "report.json").write_bytes(report)
    if record is not None:
        Records(volume, made.run).write(cell.target, cell.scan, record)
    with Stop(60) as stop:
        runner = CellRunner(made, volume, Scanners(Launcher("auto", "x")), stop)
        assert runner.done(cell) == (record if done else None)
        assert runner.done(cell, refused=ENDED.attempts) is None
        assert runner.done(cell, refused=ENDED.attempts + 1) == (record if done else None)


def test_a_link_in_place_of_a_report_is_none(tmp_path):
    made, volume = plan(("a",)), Volume(tmp_path)
    cell = made.cells[0]
    Records(volume, made.run).write(cell.target, cell.scan, ENDED)
    volume.cell(made.run, cell.target, cell.scan).mkdir(parents=True)
    (volume.cell(made.run, cell.target, cell.scan) / "report.json").symlink_to("/etc/hostname")
    with Stop(60) as stop:
        assert CellRunner(made, volume, Scanners(Launcher("auto", "x")), stop).done(cell) is None
