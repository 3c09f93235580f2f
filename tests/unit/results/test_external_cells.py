"""A cell of an external scan: nothing runs, and its report is put on the volume by somebody."""

import msgspec
import pytest

from orchestrator.argo.packed import pack, unpack
from orchestrator.engines.local.status import status_of
from orchestrator.model import Cell, CellRecord, CellState, Decision, Outcome
from orchestrator.model.plan import pending
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.left import failed_cells
from orchestrator.upkeep.plans import read_plan, write_plan
from orchestrator.volume.layout import Volume
from tests.aggregation import CLEAN, SCANS, make_plan, put_record, put_report

PLAN = make_plan(
    scans=SCANS[:2],
    cells=[Cell(target="app-1", scan="dependency"), Cell(target="app-1", scan="general", decision=Decision.AWAIT)],
)


@pytest.fixture
def volume(tmp_path):
    found = Volume(tmp_path)
    put_report(found, PLAN, "app-1", "dependency", CLEAN["dependency"])
    put_record(found, PLAN, "app-1", "dependency")
    return found


def rows(volume):
    return {row.scan: row for row in aggregate(PLAN, volume).rows}


def test_without_its_report_it_is_missing_and_the_policy_says_so(volume):
    found = rows(volume)
    assert found["dependency"].outcome is Outcome.OK
    assert found["general"].outcome is Outcome.FAILED
    assert found["general"].reason.startswith("missing")
    assert not aggregate(PLAN, volume).verdict.passed


def test_with_its_report_it_is_ok_and_says_who_put_it(volume):
    put_report(volume, PLAN, "app-1", "general", CLEAN["general"])
    assert rows(volume)["general"].outcome is Outcome.OK
    record = CellRecord(finished="2025-03-01T10:00:05Z", put_by="team-b")
    put_record(volume, PLAN, "app-1", "general", record)
    assert (rows(volume)["general"].outcome, rows(volume)["general"].put_by) == (Outcome.OK, "team-b")


def test_a_report_that_cannot_be_believed_fails_it(volume):
    put_report(volume, PLAN, "app-1", "general", b"not a report")
    assert rows(volume)["general"].outcome is Outcome.FAILED
    assert "missing" not in rows(volume)["general"].reason


def test_what_its_record_says_of_it_counts(volume):
    put_report(volume, PLAN, "app-1", "general", CLEAN["general"])
    put_record(volume, PLAN, "app-1", "general", CellRecord(error="the other house was closed", put_by="team-b"))
    assert (rows(volume)["general"].outcome, rows(volume)["general"].reason) == (
        Outcome.FAILED,
        "the other house was closed",
    )
    volume.record(PLAN.run, "app-1", "general").write_bytes(b"torn")
    assert rows(volume)["general"].outcome is Outcome.FAILED


def test_nothing_runs_for_it_not_even_in_a_retry(volume):
    assert pending(PLAN) == {"app-1": ["dependency"]}
    rows(volume)
    assert pending(PLAN, only=failed_cells(PLAN, volume)) == {}


def test_while_nobody_put_it_the_cell_waits(volume):
    write_plan(PLAN, volume)
    cells = {cell.scan: cell for cell in status_of(PLAN.run, volume).cells}
    assert cells["general"].state is CellState.WAITING
    assert "external" in cells["general"].message


def test_its_plan_survives_the_volume_and_a_workflow_and_older_plans_have_no_such_cell(volume):
    write_plan(PLAN, volume)
    assert read_plan(PLAN.run, volume) == PLAN
    assert unpack(pack(PLAN)) == PLAN
    assert msgspec.json.decode(b'{"target": "a", "scan": "b"}', type=Cell).decision is Decision.RUN
