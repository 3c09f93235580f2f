"""What nobody foresaw fails what it happens to: the others are done, the ledger is written, the exit status is 3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from orchestrator.analysis import pipeline
from orchestrator.api import delivering
from orchestrator.argo.fates import Fate
from orchestrator.config.loading import default_config
from orchestrator.engines.local import execution as local
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.local.scanners import Scanners
from orchestrator.exports import html
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.kit.guarding import InternalError, is_internal
from orchestrator.model import CellRecord, Database, Finding, Ledger, Outcome, Plan, Severity
from orchestrator.model.documents import read
from orchestrator.results.bom import target as bom_target
from orchestrator.results.bom import whole as bom
from orchestrator.results.ledger import broke, read_ledger
from orchestrator.results.tables import writing as table
from orchestrator.steps import account, aggregate, aggregation, refresh, settle
from orchestrator.steps import pull as pull_module
from orchestrator.steps import stage as stage_module
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import Records
from tests.failing import failing
from tests.integration.command import COMMAND, scanmatrix
from tests.integration.engine import GOOD, Watch, plan_of, scan
from tests.tools import layouts, samples

REPORT = encode_report("fake", "1", [Finding(id="x", kind="check", severity=Severity.LOW, title="t")])
FINDS = scan("finds", f"open(report, 'wb').write({REPORT!r})")


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two images with findings, the first of which is the hostile one."""
    return plan_of(tmp_path, [samples.system(), samples.small()], [FINDS, scan("fake", GOOD)])


def run(plan: Plan, volume: Volume) -> Ledger:
    ledger = LocalEngine(volume, runner="process").run(plan, Watch())
    assert read_ledger(volume, plan.run) == ledger
    assert len(ledger.rows) == len(plan.cells)
    return ledger


def check(ledger: Ledger, plan: Plan, failed: set[str]) -> None:
    """Just these cells failed, and each says so and asks for a report."""
    evil = {row.cell for row in ledger.rows if row.outcome is Outcome.FAILED}
    assert evil == failed
    assert all(is_internal(row.reason) for row in ledger.rows if row.cell in failed)
    assert all(row.findings is None and not row.report_digest for row in ledger.rows if row.cell in failed)
    assert broke(ledger)


def cells(plan: Plan, *scans: str) -> set[str]:
    return {cell.id for cell in plan.cells if cell.target == plan.targets[0].id and (not scans or cell.scan in scans)}


def test_nothing_is_broken_when_nothing_happens(plan: Plan, volume: Volume) -> None:
    ledger = run(plan, volume)
    assert ledger.count(Outcome.OK) == 4
    assert not broke(ledger)


def test_a_pull(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = plan.targets[0].id
    monkeypatch.setattr(local, "pull", failing(local.pull, lambda plan, id_, *_: id_ == evil, RecursionError()))
    check(run(plan, volume), plan, cells(plan))


def test_a_scanner(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = plan.targets[0]
    start = failing(
        Scanners.run, lambda self, scan, attempt, *_: attempt.target == evil and scan.name == "fake", KeyError("x")
    )
    monkeypatch.setattr(Scanners, "run", start)
    check(run(plan, volume), plan, cells(plan, "fake"))
    record = read(volume.record(plan.run, evil.id, "fake"), CellRecord)
    assert is_internal(record.error)
    assert record.finished


def test_looking_for_a_scanner(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = failing(Launcher.missing, lambda self, scan: scan.name == "fake", ValueError())
    monkeypatch.setattr(Launcher, "missing", missing)
    check(run(plan, volume), plan, {cell.id for cell in plan.cells if cell.scan == "fake"})


def test_a_database(tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    with_database = scan("fake", GOOD, database=Database(refresh=("true",)))
    plan = plan_of(tmp_path, [samples.small()], [FINDS, with_database])
    monkeypatch.setattr(refresh, "prepare", failing(refresh.prepare, lambda *_: True, MemoryError()))
    check(run(plan, volume), plan, cells(plan, "fake"))


def test_an_observer(plan: Plan, volume: Volume) -> None:
    class Odd(Watch):
        def cell_started(self, cell: object) -> None:
            if cell.id in cells(plan, "fake"):
                raise UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range")

    ledger = LocalEngine(volume, runner="process").run(plan, Odd())
    assert cells(plan, "fake") <= {row.cell for row in ledger.rows if is_internal(row.reason)}
    assert all(row.outcome is Outcome.OK for row in ledger.rows if row.target != plan.targets[0].id)


@pytest.mark.parametrize("name", ["_find_pending", "_refresh_databases"])
def test_what_comes_before_all_cells(name: str, plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.Execution, name, failing(lambda: None, lambda *_: True, OverflowError()))
    check(run(plan, volume), plan, {cell.id for cell in plan.cells})


def test_an_observer_that_always_fails_keeps_no_target_from_being_run(plan: Plan, volume: Volume) -> None:
    class Odd(Watch):
        def cell_finished(self, cell: object, record: object) -> None:
            raise KeyError(cell.id)

    ledger = LocalEngine(volume, runner="process").run(plan, Odd())
    assert {row.target for row in ledger.rows if row.attempts} == {target.id for target in plan.targets}


OF_TARGET = {
    "merge": (pipeline.Pipeline, "add", lambda self, rows, _: rows[0]),
    "merged": (table.MergedWriter, "add", lambda self, row, _: row),
    "bom": (bom.BomWriter, "add", lambda self, _, rows: next(iter(rows))),
}
OF_CELL = {
    "findings": (table.FindingsWriter, "add", lambda self, row, *_: row),
    "bom": (bom_target.TargetBom, "add", lambda self, row, _: row),
}


@pytest.mark.parametrize("border", OF_TARGET)
def test_putting_a_target_together(border: str, plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, row_of = OF_TARGET[border]
    evil = plan.targets[0].id
    fails = failing(getattr(where, name), lambda *args: row_of(*args).target == evil, OverflowError("large"))
    monkeypatch.setattr(where, name, fails)
    check(run(plan, volume), plan, cells(plan))


@pytest.mark.parametrize("border", OF_CELL)
def test_writing_down_a_cell(border: str, plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, row_of = OF_CELL[border]
    (evil,) = cells(plan, FINDS.name)
    fails = failing(getattr(where, name), lambda *args: row_of(*args).cell == evil, KeyError("purl"))
    monkeypatch.setattr(where, name, fails)
    check(run(plan, volume), plan, {evil})


def test_a_text_that_arrow_cannot_hold(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    real = aggregation.examine

    def examine(*args: object, **more: object) -> object:
        found = real(*args, **more)
        if found.row.cell in cells(plan, FINDS.name) and found.report is not None:
            odd = [msgspec.structs.replace(each, title="\udcff") for each in found.report.findings]
            return found._replace(report=msgspec.structs.replace(found.report, findings=tuple(odd)))
        return found

    monkeypatch.setattr(aggregation, "examine", examine)
    check(run(plan, volume), plan, cells(plan, FINDS.name))


@pytest.mark.parametrize("name", ["verdict", "notes"])
def test_the_run_as_a_whole(name: str, plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    run(plan, volume)
    monkeypatch.setattr(pipeline.Pipeline, name, failing(lambda: None, lambda *_: True, RecursionError()))
    ledger = aggregate.aggregate(plan, volume)
    assert read_ledger(volume, plan.run) == ledger
    assert ledger.count(Outcome.FAILED) == 4
    assert not ledger.verdict.passed
    assert broke(ledger)
    left = {path.name for path in volume.results(plan.run).iterdir()}
    assert left == {"ledger.json", "summary.md"}  # what an earlier call wrote was about other results


def test_the_summary(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "summarise", failing(lambda: None, lambda *_: True, KeyError("<b>")))
    assert run(plan, volume).count(Outcome.OK) == 4
    page = (volume.results(plan.run) / "summary.md").read_text()
    assert is_internal(page)
    assert "<b>" not in page


def test_the_html_report(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "write_report", failing(lambda: None, lambda *_: True, MemoryError()))
    assert run(plan, volume).count(Outcome.OK) == 4
    assert is_internal((volume.results(plan.run) / "summary.md").read_text())
    assert not (volume.results(plan.run) / "report.html").exists()


# --- real images, through the command --------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def hostile_config(path: Path) -> None:
    """`docker save` of an image whose configuration is 3,000 nested arrays."""
    config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"x":' + nested(3000) + b"}"
    manifest = json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": []}]).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in (("config.json", config), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, BytesIO(data))


def hostile_headers(path: Path) -> None:
    """An archive that begins with 3,000 PAX headers in a row."""
    record = b"11 path=aa\n"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    path.write_bytes((header.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")) * 3000 + bytes(1024))


def damage(path: Path) -> None:
    path.write_bytes(b"\xff" * 100_000)


def test_hostile_archives_beside_a_good_one(tmp_path: Path) -> None:
    layouts.write_archive(tmp_path / "good.tar", samples.small())
    hostile = {"config.tar": hostile_config, "headers.tar": hostile_headers, "damaged.tar": damage}
    for name, make in hostile.items():
        make(tmp_path / name)
    arguments = (*hostile, "good.tar", "--scan", "root-user")
    planned = scanmatrix("plan", *arguments, cwd=tmp_path)
    assert planned.returncode == 0
    assert "Traceback" not in planned.stderr
    ended = scanmatrix("run", *arguments, "--output", "json", "--run-id", "r1", cwd=tmp_path)
    assert "Traceback" not in ended.stderr
    rows = {Path(row["references"][0]).name: row for row in json.loads(ended.stdout)["rows"]}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        **dict.fromkeys(hostile, "failed"),
        "good.tar": "ok",
    }
    # The policy says no to failed cells; where nobody foresaw the failure, it is not asked.
    assert ended.returncode == (3 if any(is_internal(row["reason"]) for row in rows.values()) else 1)
    assert (tmp_path / "scanmatrix-data/results/r1/ledger.json").is_file()


def test_a_path_that_is_no_unicode_is_refused(tmp_path: Path) -> None:
    command = [str(COMMAND), "plan", b"\xff.tar", "--scan", "root-user"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert ended.returncode == 2
    assert b"\\udcff.tar" in ended.stderr


# --- what surrounds cells --------------------------------------------------------------------------------------------

BREAKING = """
import sys
import orchestrator.{module} as where
def breaks(*args, **keys): raise RecursionError('too deep')
where.{function} = breaks
from orchestrator.{entry} import main
sys.exit(main())
"""


def broken(folder: Path, entry: str, function: str, *arguments: str | Path, debug: str = "") -> tuple[int, str, str]:
    """Exit status and output of a program of ours in which one function fails in a way that nobody foresaw."""
    module, _, name = function.rpartition(".")
    code = BREAKING.format(module=module, function=name, entry=entry)
    environment = {**os.environ, "SCANMATRIX_DEBUG": debug}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_the_command_itself(tmp_path: Path) -> None:
    status, out, err = broken(tmp_path, "cli", "api.listing.known_runs", "results", "list")
    assert (status, out) == (3, "")
    assert len(err.splitlines()) == 1
    assert is_internal(err)
    assert "RecursionError" in err
    status, _, err = broken(tmp_path, "cli", "api.listing.known_runs", "results", "list", debug="1")
    assert status == 3
    assert "Traceback" in err


def test_a_step(tmp_path: Path, plan: Plan, volume: Volume) -> None:
    write_plan(plan, volume)
    evil = plan.targets[0].id
    arguments = ("--volume", volume.root, "--run", plan.run, "--target", evil)
    status, _, err = broken(tmp_path, "steps.__main__", "steps.pull.pull_held", "pull", *arguments)
    assert status == 3
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("scanmatrix-step: internal error")  # settling takes it from there
    record = read(volume.record(plan.run, evil, "fake"), CellRecord)
    assert is_internal(record.error)


def test_staging_in_a_pod(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plan(plan, volume)
    monkeypatch.setattr(pull_module, "pull", failing(lambda: None, lambda *_: True, KeyError("x")))
    with pytest.raises(InternalError):
        stage_module.stage(plan, plan.targets[0].id, "fake", volume)
    record = read(volume.record(plan.run, plan.targets[0].id, "fake"), CellRecord)
    assert is_internal(record.error)
    assert record.finished


def test_the_aggregate_step_ends_with_3(tmp_path: Path, plan: Plan, volume: Volume) -> None:
    run(plan, volume)
    arguments = ("aggregate", "--volume", volume.root, "--run", plan.run)
    status, _, err = broken(tmp_path, "steps.__main__", "findings.scanmatrix.parse", *arguments)
    assert status == 3
    assert "Traceback" in err
    check(read_ledger(volume, plan.run), plan, {cell.id for cell in plan.cells})


def test_settling_a_cell(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    records, given = Records(volume, plan.run), (plan.scans[0], settle._Logs(None))
    unreadable = failing(lambda: None, lambda *_: True, KeyError("node"))
    assert is_internal(settle._write(records, plan.cells[0], unreadable, *given).error)
    monkeypatch.setattr(settle, "_settled", failing(lambda: None, lambda *_: True, ValueError()))
    assert is_internal(settle._write(records, plan.cells[0], lambda _: Fate(), *given).error)


def test_an_export_and_notifications(plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    run(plan, volume)
    config = default_config(
        environment={},
        volume={"path": str(volume.root)},
        exports={"always": ["csv", "html"]},
        notify={"routes": [{"slack": {"url": "https://hooks.example/x"}}]},
    )
    tried = []

    def export(config: object, run: str, name: str) -> str:
        tried.append(name)
        raise RecursionError

    monkeypatch.setattr(delivering, "export", export)
    monkeypatch.setattr(delivering, "notify", failing(lambda: None, lambda *_: True, KeyError("x")))
    troubles = delivering.deliver(config, plan.run)
    assert tried == ["csv", "html"]
    assert len(troubles) == 3
    assert all(map(is_internal, troubles))
