"""Which cells of a run that is resumed need not run again."""

import pytest

from orchestrator.engines.local.done import DoneCells
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
    done_cells = DoneCells(made, volume)
    assert done_cells.look(cell) == (record if done else None)
    assert done_cells.look(cell, refused=ENDED.attempts) is None
    assert done_cells.look(cell, refused=ENDED.attempts + 1) == (record if done else None)
    assert done_cells.every() == ({cell.id: record} if done else {})


def test_a_link_in_place_of_a_report_is_none(tmp_path):
    made, volume = plan(("a",)), Volume(tmp_path)
    cell = made.cells[0]
    Records(volume, made.run).write(cell.target, cell.scan, ENDED)
    volume.cell(made.run, cell.target, cell.scan).mkdir(parents=True)
    (volume.cell(made.run, cell.target, cell.scan) / "report.json").symlink_to("/etc/hostname")
    assert DoneCells(made, volume).look(cell) is None
