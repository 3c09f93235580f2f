"""The campaign's judge says so when a promise is broken: each is broken once, on a run that is good otherwise."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from orchestrator.findings.scanmatrix import encode_report
from orchestrator.model import Finding, Ledger, LedgerRow, Outcome, Plan, Severity
from orchestrator.model.documents import encode
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import MARK
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.claims import RunClaim
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from orchestrator.volume.partial import STAMP
from tests.aggregation import make_plan, make_target, put_clean_run, put_record, put_report
from tests.campaign.expected import ALL, UNDISTURBED, Expected
from tests.campaign.judge import judge
from tests.campaign.outcome import Outcomes, outcomes_of
from tests.tools import samples
from tests.unit.tarballs import write_tarball

FOUND = encode_report("root-user", "1", [Finding(id="ROOT", kind="check", severity=Severity.LOW, title="t")])


class Run:
    """A run that has nothing wrong."""

    def __init__(self, root: Path) -> None:
        self.volume = Volume(root)
        image = samples.small()
        target = make_target(1)
        self.plan: Plan = make_plan([msgspec.structs.replace(target, digest=image.digest)])
        write_plan(self.plan, self.volume)
        self.blob = self.volume.blob(image.digest)
        self.blob.parent.mkdir()
        write_tarball(self.blob, image)
        os.utime(self.blob, ns=(STAMP, STAMP))
        self.blob.chmod(0o444)
        put_clean_run(self.volume, self.plan)
        put_report(self.volume, self.plan, target.id, "root-user", FOUND)
        aggregate(self.plan, self.volume)
        self.undisturbed: Outcomes = outcomes_of(self.volume, self.plan.run)

    def judge(self, expected: Expected = UNDISTURBED) -> list[str]:
        return judge(self.volume, self.plan, expected, self.undisturbed)

    def cell(self, scan: str) -> Path:
        return self.volume.cell(self.plan.run, self.plan.targets[0].id, scan)

    def results(self, name: str) -> Path:
        return self.volume.results(self.plan.run) / name

    def change_ledger(self, change: Callable[[list[LedgerRow]], object]) -> None:
        ledger: Ledger = read_ledger(self.volume, self.plan.run)
        rows = list(ledger.rows)
        change(rows)
        self.results("ledger.json").write_bytes(encode(msgspec.structs.replace(ledger, rows=tuple(rows))))

    def fail(self, reason: str) -> None:
        """The first cell fails."""
        failed = {
            "outcome": Outcome.FAILED,
            "reason": reason,
            "report_digest": "",
            "findings": None,
            "components": None,
        }
        self.change_ledger(lambda rows: rows.__setitem__(0, msgspec.structs.replace(rows[0], **failed)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "volume")


def cut(path: Path) -> None:
    """Half of it is there."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)
    path.chmod(mode)


def flip(path: Path) -> None:
    """A byte of a layer is another, as a bad disk has it."""
    data = bytearray(path.read_bytes())
    data[data.rindex(b"\x1f\x8b\x08") + 12] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(STAMP, STAMP))
    path.chmod(0o444)


def other_findings(run: Run) -> None:
    """Its findings are not those of the undisturbed run."""
    two = [Finding(id=name, kind="check", severity=Severity.LOW, title="t") for name in ("ROOT", "OTHER")]
    put_report(run.volume, run.plan, run.plan.targets[0].id, "root-user", encode_report("root-user", "1", two))
    aggregate(run.plan, run.volume)


DAMAGES: dict[str, tuple[Callable[[Run], object], str]] = {
    "a cell is missing": (lambda run: run.change_ledger(lambda rows: rows.pop()), "is 0 times in the ledger"),
    "a cell is there twice": (lambda run: run.change_ledger(lambda rows: rows.append(rows[0])), "is 2 times"),
    "another order": (lambda run: run.change_ledger(lambda rows: rows.reverse()), "another order"),
    "a stranger's cell": (
        lambda run: run.change_ledger(lambda rows: rows.append(msgspec.structs.replace(rows[0], cell="a/b"))),
        "never planned",
    ),
    "no ledger": (lambda run: run.results("ledger.json").unlink(), "no ledger"),
    "a provisional ledger": (lambda run: run.results(MARK).write_text("1 provisional\n"), "provisional"),
    "a failure nobody expects": (lambda run: run.fail("broken"), "does not touch it"),
    "ok with a reason": (
        lambda run: run.change_ledger(lambda rows: rows.__setitem__(0, msgspec.structs.replace(rows[0], reason="x"))),
        "ok with the reason",
    ),
    "another report": (lambda run: (run.cell("virus") / "report.txt").write_text("x"), "its report is sha256"),
    "no report": (lambda run: (run.cell("virus") / "report.txt").unlink(), "its report is none"),
    "other findings": (other_findings, "differ from the undisturbed"),
    "half a summary": (lambda run: cut(run.results("summary.md")), "summary.md is not whole"),
    "half a plan": (lambda run: cut(run.volume.plan(run.plan.run)), "plans/run-1.json is not whole"),
    "half a CSV": (lambda run: cut(run.results("merged.csv")), "merged.csv is not whole"),
    "half an HTML report": (lambda run: cut(run.results("report.html")), "report.html is not whole"),
    "half a record": (lambda run: cut(run.cell("virus").with_name("virus.record.json")), "record.json is not whole"),
    "half a tarball": (lambda run: cut(run.blob), ".tar is not whole"),
    "a wrong byte in a tarball": (lambda run: flip(run.blob), "another digest"),
    "a tarball under another name": (lambda run: run.blob.rename(run.blob.with_name("sha256-00.tar")), "it holds"),
    "a file nobody knows": (lambda run: (run.volume.root / "plans" / "x.dat").touch(), "nothing is known"),
    "a link": (lambda run: (run.cell("virus") / "image.tar").hardlink_to(run.blob), "image.tar is still there"),
    "two names of a tarball": (lambda run: run.blob.with_name("sha256-11.tar").hardlink_to(run.blob), "has 2 links"),
    "a reserve": (lambda run: run.volume.reserve(run.plan.run).write_bytes(bytes(9)), ".reserve is still there"),
    "a claim": (
        lambda run: (
            run.volume.running.mkdir(exist_ok=True),
            run.volume.claim(run.plan.run).write_bytes(encode(RunClaim(run=run.plan.run))),
        ),
        "running/run-1.json is still there",
    ),
    "an attempt": (lambda run: (run.cell("virus") / "attempt-1").mkdir(), "attempt-1 is still there"),
    "a temporary file": (lambda run: run.results(".ledger.json.0123.tmp").touch(), ".tmp is still there"),
    "a partial tarball": (lambda run: run.blob.with_name(".x.tar.partial").touch(), ".partial is still there"),
}  # fmt: skip


def test_nothing_is_wrong_with_a_good_run(run: Run) -> None:
    run.volume.reserve(run.plan.run).unlink(missing_ok=True)
    assert run.judge() == []


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_broken_is_said(run: Run, name: str) -> None:
    damage, words = DAMAGES[name]
    damage(run)
    said = run.judge()
    assert any(words in each for each in said), said


@pytest.mark.parametrize("table", ["findings.parquet", "merged.parquet", "bom.cdx.json"])
def test_half_a_result_is_said(run: Run, table: str) -> None:
    cut(run.results(table))
    assert any(f"{table} is not whole" in each for each in run.judge())


def test_a_lock_that_is_held_is_said(run: Run) -> None:
    path = run.volume.lock(run.plan.run)
    path.touch()
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert any("is held" in each for each in run.judge())


def test_a_reason_has_to_be_that_of_the_fault(run: Run) -> None:
    run.fail("ran out of memory")
    touched = Expected(ALL, reasons=("no space",), mended=False)
    assert any("not that of the fault" in each for each in run.judge(touched))
    assert run.judge(Expected(ALL, reasons=("out of memory",))) == []


def test_a_fault_that_does_nothing_is_said(run: Run) -> None:
    assert any("although the fault touches it" in each for each in run.judge(Expected(ALL, must_fail=True)))


def test_a_failed_cell_has_nothing_found(run: Run) -> None:
    put_record(run.volume, run.plan, run.plan.targets[0].id, "root-user")
    before: Iterator[str] = iter(run.undisturbed.findings)
    assert next(before).endswith("root-user")
    run.change_ledger(
        lambda rows: rows.__setitem__(2, msgspec.structs.replace(rows[2], outcome=Outcome.FAILED, reason="broken"))
    )
    said = run.judge(Expected(ALL, reasons=("broken",)))
    assert any("failed and has findings" in each for each in said)
    assert any("although it is not ok" in each for each in said)
    shutil.rmtree(run.volume.root)
