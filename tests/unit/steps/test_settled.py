"""What settling writes into a record decides what the ledger says: the same as record, node and report at once."""

from itertools import product

import pytest

from orchestrator.argo.fates import Fate
from orchestrator.model import CellRecord, CellState, Scan
from orchestrator.model.endings import Evidence, NodeState, RecordState, ReportState, decide, state_of_record
from orchestrator.steps import settle
from orchestrator.volume.layout import TIMED_OUT
from orchestrator.volume.records import NOTHING_RECORDED, Recorded

SCAN = Scan(name="virus", image="x:1", command=("x",), format="scanmatrix", success_codes=(0, 3))
BEFORE, BEGUN, WRITTEN, FINISHED = (f"2025-03-01T1{hour}:00:00Z" for hour in range(4))


def recorded(**fields) -> Recorded:
    record = CellRecord(**fields)
    return Recorded(state_of_record(record, SCAN.success_codes), record, record.error)


RECORDS = {
    "none": NOTHING_RECORDED,
    "damaged": Recorded(RecordState.DAMAGED, CellRecord(), "its record cannot be read"),
    "begun": recorded(attempts=1, started=BEGUN),
    "ended": recorded(attempts=1, started=BEGUN, finished=WRITTEN, exit_code=0),
    "exit code": recorded(attempts=1, started=BEGUN, finished=WRITTEN, exit_code=9),
    "error of the attempt": recorded(attempts=1, started=BEGUN, finished=WRITTEN, error="own words"),
    "error of an attempt before": recorded(attempts=1, started=BEFORE, finished=BEFORE, error="old words"),
}
FATES = {
    NodeState.UNKNOWN: Fate(ended=False),
    NodeState.WAITING: Fate(ended=False, waiting=True, attempts=1, reason="waits"),
    NodeState.RUNNING: Fate(ended=False, attempts=1, begun=BEGUN, reason="runs"),
    NodeState.SUCCEEDED: Fate(attempts=1, begun=BEGUN, finished=FINISHED, exit_code=0),
    NodeState.FAILED: Fate(attempts=1, begun=BEGUN, finished=FINISHED, reason="OOMKilled", exit_code=137),
    NodeState.FAILED_BEFORE: Fate(attempts=1, begun=BEGUN, finished=FINISHED, reason="stage failed", own=True),
    NodeState.UNSTARTED: Fate(reason="never started: the run was cancelled"),
}
REPORTS = [ReportState.MISSING, ReportState.UNSOUND, ReportState.SOUND]


def test_every_state_of_a_node_is_here():
    assert {fate.state for fate in FATES.values()} == set(FATES) == set(NodeState) - {NodeState.CUT_OFF}


@pytest.mark.parametrize(("known", "node"), list(product(RECORDS, FATES)))
def test_the_ledger_of_a_settled_record_is_the_decision_at_once(known, node):
    found, fate = RECORDS[known], FATES[node]
    assert fate.state is node
    if node in {NodeState.WAITING, NodeState.RUNNING}:  # its containers may be writing the record
        assert settle._settled(found, fate, SCAN, settle._Logs(None)) == found.record
        return
    settled = settle._settled(found, fate, SCAN, settle._Logs(None))
    # What is left as it was is not written again, so a damaged record stays one.
    state = found.state if settled == found.record else state_of_record(settled, SCAN.success_codes)
    seen = NodeState.FAILED if node is NodeState.FAILED_BEFORE and known == "error of an attempt before" else node
    for report in REPORTS:
        at_once = decide(Evidence(record=found.state, node=seen, report=report))
        ledger = decide(Evidence(record=state, report=report))
        assert ledger.state is at_once.state, report
        if at_once.state is CellState.FAILED:
            words = at_once.reason(record=found.reason or "exit code", node=fate.reason, report="the report")
            said = ledger.reason(record=settled.error or found.reason or "exit code", report="the report")
            assert said == words, report


@pytest.mark.parametrize("node", FATES)
def test_settling_twice_changes_nothing(node):
    for found in RECORDS.values():
        once = settle._settled(found, FATES[node], SCAN, settle._Logs(None))
        again = Recorded(state_of_record(once, SCAN.success_codes), once, once.error)
        if once != found.record:
            assert settle._settled(again, FATES[node], SCAN, settle._Logs(None)) == once


def test_what_was_ended_for_its_timeout_says_so(tmp_path):
    """By the node it was killed, as is what ran out of memory; one that ended well in the last moment did."""
    (tmp_path / TIMED_OUT).touch()
    failed, ended = FATES[NodeState.FAILED], FATES[NodeState.SUCCEEDED]
    assert settle._by_folder(failed, tmp_path, SCAN).reason == "timed out after 1800 s: raise the scan's timeout"
    assert settle._by_folder(failed, tmp_path / "another", SCAN) == failed
    assert settle._by_folder(ended, tmp_path, SCAN) == ended
