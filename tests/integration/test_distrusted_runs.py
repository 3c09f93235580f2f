"""Runs whose scanner came to be denied: nothing of it starts, and what it says is not believed."""

from pathlib import Path

import msgspec

from orchestrator.engines.local.engine import LocalEngine
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.model import Database, Distrust, LedgerRow, Outcome, Plan
from orchestrator.volume.layout import Volume
from tests.integration.engine import GOOD, Watch, plan_of, scan
from tests.tools import samples


def run(plan: Plan, volume: Volume) -> LedgerRow:
    (row,) = LocalEngine(volume, runner="process").run(plan, Watch()).rows
    return row


def renamed(plan: Plan, image: str) -> Plan:
    """The plan as it would be if its scan's image had another name: made when nobody knew better."""
    return msgspec.structs.replace(plan, scans=tuple(msgspec.structs.replace(each, image=image) for each in plan.scans))


def test_a_plan_older_than_the_list_starts_neither_scanner_nor_refresh(tmp_path: Path) -> None:
    started = tmp_path / "started"
    mark = f"open({str(started)!r}, 'w').close(); {GOOD}"
    own = scan("own", mark)
    database = Database(refresh=(own.command[0], "-c", f"open({str(started)!r}, 'w')", "{database}"))
    plan = plan_of(tmp_path, [samples.small()], [scan("own", mark, database=database)])
    row = run(renamed(plan, "mirror.corp/aquasec/trivy:0.69.4"), Volume(tmp_path / "volume"))
    assert row.outcome is Outcome.FAILED
    assert "CVE-2026-33634" in row.reason
    assert not started.exists()


def test_a_plan_older_than_the_switch_starts_nothing_either(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [samples.small()], [scan("own", GOOD)])
    rules = (Distrust(reason="odd", scan="own"),)
    row = run(plan, Volume(tmp_path / "volume", distrusted=rules))
    assert (row.outcome, row.reason) == (Outcome.FAILED, "scanner distrusted: odd")
    assert run(plan, Volume(tmp_path / "volume")).outcome is Outcome.OK  # trusted again, and resumed


def test_a_scan_that_may_not_run_any_more_starts_neither_scanner_nor_refresh(tmp_path: Path) -> None:
    started = tmp_path / "started"
    mark = f"open({str(started)!r}, 'w').close(); {GOOD}"
    own = scan("own", mark)
    database = Database(refresh=(own.command[0], "-c", f"open({str(started)!r}, 'w')", "{database}"))
    plan = plan_of(tmp_path, [samples.small()], [scan("own", mark, database=database)])
    volume = Volume(tmp_path / "volume")
    engine = LocalEngine(volume, runner="process", refused=lambda _: {"own": "its image is not signed"})
    (row,) = engine.run(plan, Watch()).rows
    assert (row.outcome, row.reason) == (Outcome.FAILED, "its image is not signed")
    assert not started.exists()


def test_a_process_that_turns_out_to_be_a_denied_version_is_not_believed(tmp_path: Path) -> None:
    report = encode_report("trivy", "0.69.4", [])
    plan = plan_of(tmp_path, [samples.small()], [scan("own", f"open(report, 'wb').write({report!r})")])
    row = run(plan, Volume(tmp_path / "volume"))
    assert row.outcome is Outcome.FAILED
    assert "CVE-2026-33634" in row.reason
    assert row.findings is None


def test_what_ran_as_a_process_has_no_image_in_the_ledger(tmp_path: Path) -> None:
    row = run(plan_of(tmp_path, [samples.small()], [scan("own", GOOD)]), Volume(tmp_path / "volume"))
    assert (row.outcome, row.scanner_image) == (Outcome.OK, "")
