"""The local engine with real processes: whatever scanners do, every cell is accounted for."""

import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config
from orchestrator.engines.interface import Interrupted
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.model import Cell, CellRecord, Database, Decision, Finding, Ledger, Outcome, Plan, Scan, Severity
from orchestrator.results.ledger import read_ledger
from orchestrator.upkeep.plans import PlanExists, read_plan
from orchestrator.volume.layout import Volume
from tests.integration.command import scanmatrix
from tests.integration.engine import GOOD, REPORT, Watch, plan_of, rows, scan
from tests.tools import samples


def run(plan: Plan, volume: Volume, watch: Watch | None = None, **options) -> Ledger:
    return LocalEngine(volume, **{"runner": "process", **options}).run(plan, watch or Watch())


class Started(Watch):
    """Knows when the first cell has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def cell_started(self, cell: Cell) -> None:
        super().cell_started(cell)
        self.begun.set()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def test_a_matrix_of_our_own_scans(tmp_path: Path, volume: Volume) -> None:
    catalog = load_catalog()
    images = [samples.system(), samples.distroless()]
    plan = plan_of(tmp_path, images, [catalog["root-user"], catalog["distroless"]])
    watch = Watch()
    ledger = run(plan, volume, watch)
    assert [(row.scan, row.outcome, bool(row.findings)) for row in ledger.rows] == [
        ("distroless", Outcome.OK, True),
        ("root-user", Outcome.OK, True),
        ("distroless", Outcome.OK, False),
        ("root-user", Outcome.OK, False),
    ]
    assert read_ledger(volume, plan.run) == ledger
    assert read_plan(plan.run, volume) == plan
    assert watch.planned == 1
    assert sorted(watch.started) == sorted(watch.finished) == sorted(cell.id for cell in plan.cells)
    assert watch.errors == {target.id: "" for target in plan.targets}


def test_what_scanners_do_is_reported_and_stops_no_other(tmp_path: Path, volume: Volume) -> None:
    scans = [
        scan("good", GOOD),
        scan("crash", "os.kill(os.getpid(), 11)", retries=1),
        scan("fails", "sys.stderr.write('no such layer\\n'); exit(4)", retries=3),
        scan("hang", "time.sleep(600)", timeout=1, retries=3),
        scan("nothing", ""),
        scan("empty", "open(report, 'w')"),
        scan("garbage", "open(report, 'wb').write(os.urandom(5000))"),
        scan("truncated", "open(report, 'wb').write(good[:-10])"),
        scan("large", "f = open(report, 'wb')\nfor _ in range(200): f.write(bytes(1 << 20))", report_limit=1 << 20),
        scan("noisy", f"{GOOD}\nfor _ in range(3200): os.write(2, b'x' * 65536)"),
        scan("link", "os.symlink('/etc/passwd', report)"),
        scan("folder", "os.mkdir(report)"),
        scan("fifo", "os.mkfifo(report)"),
        scan("findings", f"open(report, 'wb').write({findings()!r}); exit(1)", success_codes=(0, 1)),
        scan("printed", "os.write(1, good)", report_from_stdout=True),
    ]
    plan = plan_of(tmp_path, [samples.small()], scans)
    ended = rows(run(plan, volume))
    assert ended.keys() == {each.name for each in scans}
    ok = {name for name, row in ended.items() if row.outcome is Outcome.OK}
    assert ok == {"good", "noisy", "findings", "printed"}
    assert all(row.reason for name, row in ended.items() if name not in ok)
    assert ended["findings"].findings == 1
    assert ended["crash"].attempts == 2
    assert "SIGSEGV" in ended["crash"].reason
    assert ended["fails"].attempts == 1
    assert "no such layer" in ended["fails"].reason
    assert "timed out" in ended["hang"].reason
    assert ended["hang"].attempts == 1
    assert "report" in ended["nothing"].reason
    assert "limit" in ended["large"].reason
    assert disk_usage(volume.root) < 4 << 20
    assert leftovers(volume) == []


def findings() -> bytes:
    return encode_report("fake", "1", [Finding(id="x", kind="check", severity=Severity.LOW)])


def disk_usage(folder: Path) -> int:
    """Bytes of unique files."""
    found = {path.lstat().st_ino: path.lstat().st_blocks * 512 for path in folder.rglob("*") if not path.is_symlink()}
    return sum(found.values())


def leftovers(volume: Volume) -> list[Path]:
    """What only an attempt needed."""
    return [*volume.root.rglob("attempt-*"), *volume.root.rglob("*.tmp"), *volume.root.rglob("image.tar")]


def test_a_crash_that_does_not_happen_again_is_fixed_by_the_retry(tmp_path: Path, volume: Volume) -> None:
    flag = tmp_path / "crashed"
    script = f"if not os.path.exists({str(flag)!r}):\n open({str(flag)!r}, 'w'); os.kill(os.getpid(), 9)\n{GOOD}"
    plan = plan_of(tmp_path, [samples.small()], [scan("shaky", script, retries=1)])
    row = rows(run(plan, volume, sandbox="off"))["shaky"]  # the flag lies outside its folder
    assert row.outcome is Outcome.OK
    assert row.attempts == 2


def test_a_scanner_that_is_not_here_fails_its_cells_before_anything_is_pulled(tmp_path: Path, volume: Volume) -> None:
    absent = Scan(
        name="dependency", image="anchore/grype:1", command=("/grype-of-nowhere",), format="grype", install="pip"
    )
    watch = Watch()
    row = rows(run(plan_of(tmp_path, [samples.small()], [absent]), volume, watch))["dependency"]
    assert row.outcome is Outcome.FAILED
    assert "grype-of-nowhere not found; install it with pip" in row.reason
    assert watch.pulled == []
    assert not (volume.root / "blobs").exists()
    assert row.attempts == 0


def test_a_scanner_gets_nothing_it_does_not_need(
    tmp_path: Path, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "REGISTRY_PASSWORD",
        "KUBECONFIG",
        "SSH_AUTH_SOCK",
        "SCANMATRIX_STORE__URL",
        "HTTPS_PROXY",
        "PYTHONPATH",
    ):
        monkeypatch.setenv(name, "secret")
    script = (
        "import json; seen = dict(environment=dict(os.environ), cwd=os.getcwd(), files=os.listdir('.'),\n"
        " tarball=tarball, report=report, workdir=workdir, stdin=sys.stdin.read())\n"
        "sys.stderr.write(json.dumps(seen))\n" + GOOD
    )
    plan = plan_of(
        tmp_path, [samples.small()], [scan("looks", script, environment={"SCRATCH": "{workdir}/tmp", "A": "b"})]
    )
    seen = msgspec.json.decode(log_of(plan, volume))
    cell = volume.cell(plan.run, plan.targets[0].id, "looks")
    assert seen["environment"].keys() - {"LC_CTYPE", "PWD"} == {"PATH", "HOME", "TMPDIR", "LANG", "SCRATCH", "A"}
    assert "secret" not in str(seen)
    assert Path(seen["cwd"]).parent == cell
    assert seen["workdir"] == seen["cwd"] == seen["environment"]["HOME"] == seen["environment"]["TMPDIR"]
    assert seen["environment"]["SCRATCH"] == f"{seen['cwd']}/tmp"
    assert seen["files"] == []
    assert seen["tarball"] == str(cell / "image.tar")
    assert seen["stdin"] == ""


def log_of(plan: Plan, volume: Volume) -> str:
    """What the plan's only scanner wrote to its standard error."""
    watch = Watch()
    run(plan, volume, watch)
    (record,) = watch.finished.values()
    assert record.error == ""
    return record.log


def test_placeholders_reach_the_program_without_a_shell(tmp_path: Path, volume: Volume) -> None:
    hostile = "$(touch /tmp/owned); `id` {tarball} 'quoted' \"twice\" {nothing}"
    code = "import sys; sys.stderr.write(sys.argv[1]); open(sys.argv[2], 'wb').write(" + repr(REPORT) + ")"
    cell = Scan(
        name="quoting", image="localhost/fake:1", command=(sys.executable, "-c", code, "{parameter.text}", "{report}"),
        format="scanmatrix", parameters={"text": hostile},
    )  # fmt: skip
    assert log_of(plan_of(tmp_path, [samples.small()], [cell]), volume) == hostile


def test_the_same_run_continues_where_it_stopped(tmp_path: Path, volume: Volume) -> None:
    count = f"open({str(tmp_path / 'log')!r}, 'a').write({{name!r}} + ' ')\n"
    broken = tmp_path / "broken"
    broken.touch()
    unless = f"if os.path.exists({str(broken)!r}): "
    scans = [
        scan("good", count.format(name="good") + GOOD),
        scan("fails", count.format(name="fails") + f"{unless}exit(4)\n{GOOD}"),
        scan("garbage", count.format(name="garbage") + f"{unless}open(report, 'w').write('?'); exit()\n{GOOD}"),
        scan("lost", count.format(name="lost") + GOOD),
    ]
    plan = plan_of(tmp_path, [samples.small()], scans)
    first = rows(run(plan, volume, sandbox="off"))  # the flag and the log lie outside of their folders
    assert {name for name, row in first.items() if row.outcome is Outcome.OK} == {"good", "lost"}
    (volume.cell(plan.run, plan.targets[0].id, "lost") / "report.json").unlink()
    broken.unlink()
    watch = Watch()
    second = rows(run(plan, volume, watch, sandbox="off"))
    assert all(row.outcome is Outcome.OK for row in second.values())
    calls = (tmp_path / "log").read_text().split()
    assert sorted(calls) == ["fails", "fails", "garbage", "garbage", "good", "lost", "lost"]
    assert second["good"] == first["good"]
    assert second["fails"].attempts == 2
    assert watch.finished.keys() == {cell.id for cell in plan.cells}


def test_another_plan_under_the_same_run_is_refused(tmp_path: Path, volume: Volume) -> None:
    plan = plan_of(tmp_path, [samples.small()], [scan("good", GOOD)])
    run(plan, volume)
    with pytest.raises(PlanExists):
        run(msgspec.structs.replace(plan, created="2020-01-01T00:00:00Z"), volume)


def test_the_deadline_ends_what_runs_and_fails_what_is_left(tmp_path: Path, volume: Volume) -> None:
    config = default_config(environment={}, limits={"deadline": "2s", "imagesInFlight": 1, "cellsInFlight": 1})
    scans = [scan("a-quick", GOOD), scan("b-slow", "time.sleep(600)"), scan("c-late", GOOD)]
    plan = plan_of(tmp_path, [samples.small(), samples.system()], scans, config=config)
    ledger = run(plan, volume)
    assert len(ledger.rows) == 6
    failed = [row for row in ledger.rows if row.outcome is Outcome.FAILED]
    assert {row.scan for row in failed} >= {"b-slow"}
    assert all("deadline" in row.reason for row in failed)


def test_one_of_two_runs_of_a_process_is_cancelled_by_a_command(tmp_path: Path, volume: Volume) -> None:
    scans = [scan("slow", "time.sleep(600)")]
    (tmp_path / "two").mkdir()
    plans = {
        "one": plan_of(tmp_path, [samples.small()], scans),
        "two": plan_of(tmp_path / "two", [samples.system()], scans),
    }
    engines = {name: LocalEngine(volume, runner="process") for name in plans}
    ended: dict[str, BaseException | None] = {}
    watches = {name: Started() for name in plans}

    def carry(name: str) -> None:
        ended[name] = None
        try:
            engines[name].run(msgspec.structs.replace(plans[name], run=name), watches[name])
        except Interrupted as error:
            ended[name] = error

    threads = {name: threading.Thread(target=carry, args=(name,)) for name in plans}
    for name, thread in threads.items():
        thread.start()
        assert watches[name].begun.wait(30)
    done = scanmatrix("cancel", "one", "--volume", str(volume.root), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"stopping: process {os.getpid()} on {socket.gethostname()}\n")
    threads["one"].join(20)
    assert not threads["one"].is_alive()
    assert threads["two"].is_alive()
    assert "resume it with `scanmatrix run --resume one`" in str(ended["one"])
    engines["two"].interrupt()
    threads["two"].join(20)
    assert scanmatrix("cancel", "one", "--volume", str(volume.root), cwd=tmp_path).returncode == 2


def test_cells_that_the_plan_decided_are_left_alone(tmp_path: Path, volume: Volume) -> None:
    plan = plan_of(tmp_path, [samples.small()], [scan("good", GOOD), scan("skipped", GOOD), scan("failed", GOOD)])
    decided = {"skipped": Decision.SKIP, "failed": Decision.FAIL, "good": Decision.RUN}
    cells = tuple(msgspec.structs.replace(cell, decision=decided[cell.scan], reason="because") for cell in plan.cells)
    ended = rows(run(msgspec.structs.replace(plan, cells=cells), volume))
    assert {name: row.outcome for name, row in ended.items()} == {
        "good": Outcome.OK, "skipped": Outcome.SKIPPED, "failed": Outcome.FAILED,
    }  # fmt: skip
    assert ended["failed"].reason == "because"


def test_a_pull_that_fails_fails_its_cells_only(tmp_path: Path, volume: Volume) -> None:
    plan = plan_of(tmp_path, [samples.small(), samples.system()], [scan("good", GOOD)])
    (tmp_path / "image-0.tar").unlink()
    gone, there = plan.targets
    watch = Watch()
    outcome = {row.target: row for row in run(plan, volume, watch).rows}
    assert outcome[gone.id].outcome is Outcome.FAILED
    assert "image-0.tar" in outcome[gone.id].reason
    assert outcome[there.id].outcome is Outcome.OK
    assert watch.errors[gone.id]


def test_waves_keep_the_volume_within_its_budget(tmp_path: Path, volume: Volume) -> None:
    images = [samples.bulky(layers=1, seed=seed) for seed in range(4)]
    seen = []

    class Counts(Watch):
        def cell_finished(self, cell: Cell, record: CellRecord) -> None:
            super().cell_finished(cell, record)
            seen.append(len([*volume.blob(plan.targets[0].digest).parent.glob("[!.]*")]))

    config = default_config(environment={}, volume={"budget": "2500K"}, limits={"imagesInFlight": 4})
    plan = plan_of(tmp_path, images, [scan("good", GOOD)], config=config)
    assert len(plan.waves) == 2
    ledger = run(plan, volume, Counts())
    assert ledger.count(Outcome.OK) == 4
    assert len(seen) == 4
    assert 1 <= max(seen) <= 2
    assert list((volume.root / "blobs").glob("*.tar")) == []


def test_one_copy_of_an_image_however_many_scans(tmp_path: Path, volume: Volume) -> None:
    inode = "sys.stderr.write(str(os.stat(tarball).st_ino))\n"
    plan = plan_of(tmp_path, [samples.bulky(layers=1)], [scan(f"s{n}", inode + GOOD) for n in range(4)])
    watch = Watch()
    run(plan, volume, watch)
    inodes = [record.log for record in watch.finished.values()]
    assert len(inodes) == 4
    assert set(inodes) == {str(volume.blob(plan.targets[0].digest).stat().st_ino)}


def test_a_database_is_refreshed_once_and_its_version_recorded(tmp_path: Path, volume: Volume) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mirror:
        refresh = (
            "import socket, sys; open(sys.argv[1] + '/db', 'w').write('data')\n"
            f"socket.create_connection({mirror.getsockname()!r}).close()"  # a refresh has the network
        )
        database = Database(refresh=(sys.executable, "-c", refresh, "{database}"))
        reads = f"assert open(database + '/db').read() == 'data'\n{GOOD}"
        plan = plan_of(tmp_path, [samples.small(), samples.system()], [scan("knows", reads, database=database)])
        ledger = run(plan, volume)
        assert ledger.count(Outcome.OK) == 2
        assert visits(mirror) == 1
        version = (volume.databases("knows") / "current").readlink().name
        assert {row.database_version for row in ledger.rows} == {version}
        report = volume.cell(plan.run, plan.targets[0].id, "knows") / "report.json"
        report.unlink()
        assert run(plan, volume).count(Outcome.OK) == 2
        assert visits(mirror) == 0
    assert [entry.name for entry in volume.databases("knows").glob("[!.]*") if not entry.is_symlink()] == [version]
    assert [entry for entry in volume.databases("knows").iterdir() if entry.name.startswith(".refresh-")] == []


def visits(mirror: socket.socket) -> int:
    """How often somebody called since the last time."""
    mirror.settimeout(0)
    number = 0
    with suppress(BlockingIOError):
        while True:
            mirror.accept()[0].close()
            number += 1
    return number


def test_without_any_database_the_cells_fail_with_the_reason(tmp_path: Path, volume: Volume) -> None:
    database = Database(refresh=(sys.executable, "-c", "import sys; sys.exit('mirror is down')"))
    plan = plan_of(tmp_path, [samples.small()], [scan("knows", GOOD, database=database), scan("other", GOOD)])
    ended = rows(run(plan, volume))
    assert ended["knows"].outcome is Outcome.FAILED
    assert "mirror is down" in ended["knows"].reason
    assert ended["other"].outcome is Outcome.OK


def test_a_failed_refresh_leaves_the_database_from_before(
    tmp_path: Path, volume: Volume, caplog: pytest.LogCaptureFixture
) -> None:
    works = (sys.executable, "-c", "import sys; open(sys.argv[1] + '/db', 'w').write('data')", "{database}")
    broken = (sys.executable, "-c", "exit(1)")
    for number, refresh in enumerate((works, broken)):
        one = scan("knows", GOOD, database=Database(refresh=refresh))
        assert run(plan_of(tmp_path, [samples.small()], [one], run=f"r{number}"), volume).count(Outcome.OK) == 1
    assert "knows" in caplog.text
