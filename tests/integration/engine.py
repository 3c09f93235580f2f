"""What the tests of the local engine share: plans over archives made on the spot, and scanners that are scripts.

As a program it is an engine in a process of its own, for tests that interrupt or kill one:

    python -m tests.integration.engine PLAN.json VOLUME RUNNER
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.config.loading import Config, default_config
from orchestrator.engines.interface import EngineError
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.engines.local.sandbox import Sandboxing
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.inventory import Entry
from orchestrator.model import Cell, CellRecord, Ledger, LedgerRow, Plan, Scan, Target
from orchestrator.model.documents import encode, read
from orchestrator.volume.layout import Volume
from tests.planned import plan_here
from tests.tools import layouts
from tests.tools.images import Image

REPORT = encode_report("fake", "1", [])
ROOT = Path(__file__).parents[2]


def scan(name: str, script: str, **fields: object) -> Scan:
    """A scan whose scanner is Python code; `tarball`, `report`, `workdir` and `good` (a whole report) are there."""
    head = f"import sys, os, time; tarball, report, workdir, database = sys.argv[1:]; good = {REPORT!r}\n"
    return Scan(
        **{
            "name": name,
            "image": "localhost/fake:1",
            "command": (sys.executable, "-c", head + script, "{tarball}", "{report}", "{workdir}", "{database}"),
            "format": "scanmatrix",
            "timeout": 60,
            **fields,
        }
    )


GOOD = "open(report, 'wb').write(good)"


def plan_of(
    folder: Path, images: Iterable[Image], scans: Iterable[Scan], *, run: str = "r1", config: Config | None = None
) -> Plan:
    """Every image, as an archive in the folder, × every scan."""
    entries = []
    catalog = {each.name: each for each in scans}
    for number, image in enumerate(images):
        path = layouts.write_archive(folder / f"image-{number}.tar", image)
        entries.append(Entry(reference=str(path), scans=tuple(catalog), origin=f"test:{number}", local=True))
    config = config or default_config(environment={}, limits={"imagesInFlight": 2, "cellsInFlight": 2})
    return plan_here(config, entries, catalog, run=run, now=datetime.now(UTC))


class Watch:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.pulled: list[str] = []
        self.errors: dict[str, str] = {}
        self.started: list[str] = []
        self.finished: dict[str, CellRecord] = {}
        self.planned = 0

    def plan_started(self, plan: Plan) -> None:
        self.planned += 1

    def pull_started(self, target: Target) -> None:
        self.pulled.append(target.id)

    def pull_progress(self, target: Target, bytes_done: int, bytes_total: int | None) -> None:
        assert bytes_total is None or bytes_done <= bytes_total

    def pull_finished(self, target: Target, error: str) -> None:
        self.errors[target.id] = error

    def cell_started(self, cell: Cell) -> None:
        self.started.append(cell.id)

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        assert cell.id not in self.finished
        self.finished[cell.id] = record


def rows(ledger: Ledger) -> dict[str, LedgerRow]:
    """Rows by scan, for plans of one image."""
    assert len({row.cell for row in ledger.rows}) == len(ledger.rows)
    return {row.scan: row for row in ledger.rows}


def start_engine(
    plan: Plan, volume: Path, runner: str = "process", sandbox: Sandboxing = "off"
) -> "subprocess.Popen[str]":
    """An engine in a process of its own, in a session of its own."""
    path = volume.with_name(f"{volume.name}-{plan.run}.plan.json")
    path.write_bytes(encode(plan))
    command = [sys.executable, "-m", "tests.integration.engine", str(path), str(volume), runner, sandbox]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(
    condition: Callable[[], object], process: "subprocess.Popen[str] | None" = None, seconds: float = 60
) -> None:
    """Poll until it is true; a process that ends meanwhile, or time that runs out, fails the test."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether the process is there and more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(process: "subprocess.Popen[str]", number: int = signal.SIGKILL) -> None:
    """The engine alone, not its scanners, as the kernel would when memory runs out."""
    os.kill(process.pid, number)


def main() -> int:
    """Run a plan; errors as the command line tells them."""
    plan, volume = read(Path(sys.argv[1]), Plan), Volume(Path(sys.argv[2]))
    try:
        LocalEngine(volume, runner=sys.argv[3], sandbox=sys.argv[4]).run(plan, Watch())
    except EngineError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
