"""The local engine when it is interrupted, killed, or started twice: nothing is lost, nothing is done twice."""

import fcntl
import signal
import time
from pathlib import Path

import pytest

from orchestrator.config.loading import default_config
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.engines.local.lock import RunBusy
from orchestrator.inventory import Entry
from orchestrator.model import CellRecord, Outcome, Plan
from orchestrator.model.documents import read
from orchestrator.volume.layout import Volume
from tests.integration.engine import GOOD, Watch, is_running, kill, plan_of, scan, start_engine, wait_for
from tests.planned import plan_here
from tests.tools import samples
from tests.tools.faults import slow
from tests.tools.images import Image
from tests.tools.push import push
from tests.unit.planning.samples import NOW


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def slow_plan(folder: Path, images: list[Image], run: str = "r1") -> Plan:
    """Quick scans that count their calls, and one that hangs with a child until the file `go` is there."""
    calls = folder / "calls"
    count = f"open({str(calls)!r}, 'a').write(workdir.split('/')[-2] + workdir.split('/')[-3] + ' ')\n"
    hang = (
        "import signal, subprocess; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"if not os.path.exists({str(folder / 'go')!r}):\n"
        " stubborn = 'import signal, time; signal.signal(15, 1); time.sleep(600)'\n"
        " child = subprocess.Popen([sys.executable, '-c', stubborn])\n"
        f" open({str(folder / 'pids')!r}, 'a').write(f'{{os.getpid()}} {{child.pid}}\\n')\n"
        " time.sleep(600)\n"
    )
    scans = [scan("a-quick", count + GOOD), scan("b-hangs", hang + GOOD), scan("c-quick", count + GOOD)]
    return plan_of(folder, images, scans, run=run)


def pids(folder: Path) -> list[int]:
    try:
        return [int(pid) for pid in (folder / "pids").read_text().split()]
    except FileNotFoundError:
        return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_run_within_seconds_and_it_continues_later(
    tmp_path: Path, volume: Volume, number: signal.Signals
) -> None:
    plan = slow_plan(tmp_path, [samples.small(), samples.system()])
    engine = start_engine(plan, volume.root)
    wait_for(lambda: len(pids(tmp_path)) >= 2, engine)
    start = time.monotonic()
    kill(engine, number)
    _, message = engine.communicate(timeout=30)
    assert time.monotonic() - start < 30
    assert engine.returncode == 3
    assert "Interrupted" in message
    assert f"--resume {plan.run}" in message
    assert "Traceback" not in message
    wait_for(lambda: not any(map(is_running, pids(tmp_path))), seconds=5)
    for path in volume.root.rglob("*.record.json"):
        assert read(path, CellRecord).finished
    assert_resumed(plan, volume, tmp_path)


def assert_resumed(plan: Plan, volume: Volume, folder: Path) -> None:
    """The same run ends whole; what was done before is not done again."""
    done = {path: path.stat().st_mtime_ns for path in (volume.root / "runs").glob("*/*/*/report.json")}
    (folder / "go").touch()
    ledger = LocalEngine(volume, runner="process", sandbox="off").run(plan, Watch())
    assert [row.cell for row in ledger.rows] == [cell.id for cell in plan.cells]
    assert ledger.count(Outcome.OK) == len(plan.cells)
    for path, changed in done.items():
        if read(path.parent.with_name(f"{path.parent.name}.record.json"), CellRecord).attempts == 1:
            assert path.stat().st_mtime_ns == changed
    assert not list(volume.root.rglob("attempt-*"))


@pytest.mark.parametrize("moment", [0.0, 0.3, 0.6, 0.9, 1.2, 1.6])
def test_a_killed_engine_leaves_a_run_that_can_be_resumed(tmp_path: Path, volume: Volume, moment: float) -> None:
    plan = slow_plan(tmp_path, [samples.bulky(layers=2), samples.system(), samples.small()])
    engine = start_engine(plan, volume.root)
    time.sleep(moment)  # any moment will do: each is another place of the cut
    kill(engine)
    engine.communicate(timeout=10)
    try:
        for path in volume.root.rglob("*.json"):
            # What a scanner is just writing lies in its attempt's folder, not yet under a final name.
            if not path.parent.name.startswith("attempt-"):
                assert path.read_bytes(), f"{path} is half-written"
        assert_resumed(plan, volume, tmp_path)
    finally:
        wait_for(lambda: not any(map(is_running, pids(tmp_path))), seconds=10)  # without an engine no scanner lives on


def test_one_engine_at_a_time_on_a_run(tmp_path: Path, volume: Volume) -> None:
    plan = slow_plan(tmp_path, [samples.small()])
    engine = start_engine(plan, volume.root)
    wait_for(lambda: pids(tmp_path), engine)
    with pytest.raises(RunBusy, match=rf"{plan.run}.*{engine.pid}"):
        LocalEngine(volume, runner="process", sandbox="off").run(plan, Watch())
    kill(engine, signal.SIGTERM)
    engine.communicate(timeout=30)
    assert_resumed(plan, volume, tmp_path)


def test_two_runs_at_once_read_each_blob_once(tmp_path: Path, volume: Volume, proxy, repository: str) -> None:
    images = [samples.bulky(layers=2, seed=seed) for seed in range(2)]
    names = [push(proxy.host, f"{repository}/{n}", image, tag="1") for n, image in enumerate(images)]
    proxy.faults.add(slow(delay=0.3))
    config = default_config(environment={})
    catalog = {"good": scan("good", GOOD)}
    entries = [Entry(reference=name, scans=("good",), origin="test") for name in names]
    plans = [plan_here(config, entries, catalog, run=run, now=NOW) for run in ("one", "two")]
    proxy.log.clear()
    engines = [start_engine(plan, volume.root) for plan in plans]
    for engine in engines:
        _, message = engine.communicate(timeout=60)
        assert engine.returncode == 0, message
    read_once = {digest: 1 for image in images for digest in image.blobs}
    assert proxy.log.blob_reads() == read_once
    assert len(list((volume.root / "blobs").glob("*.tar"))) == 2


def test_the_lock_ends_with_its_process(tmp_path: Path, volume: Volume) -> None:
    plan = plan_of(tmp_path, [samples.small()], [scan("good", GOOD)])
    LocalEngine(volume, runner="process", sandbox="off").run(plan, Watch())
    with (volume.run(plan.run) / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
