"""The scheduler as processes of its own, with the local engine: killed, doubled, without its database."""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from sqlalchemy import func, select

from orchestrator import engines
from orchestrator.config.loading import load_config
from orchestrator.model import Outcome
from orchestrator.model.documents import encode
from orchestrator.queries import Store
from orchestrator.results.ledger import read_ledger
from orchestrator.service.scheduler import Scheduler
from orchestrator.store.backlog.store import BacklogStore
from orchestrator.store.backlog.tables import submissions, wanted
from orchestrator.store.connection import make_engine as make_database
from orchestrator.store.connection import parse_url
from orchestrator.store.schema import cells, runs, states, targets
from orchestrator.upkeep.claims import RunClaim
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume, write_atomic
from tests.aggregation import make_plan
from tests.integration.command import COMMAND
from tests.integration.engine import REPORT, wait_for
from tests.integration.forked import scanmatrix
from tests.tools import layouts, repositories
from tests.tools.git_servers import git
from tests.tools.images import Image, layer
from tests.tools.postgres import start_postgres
from tests.tools.servers import start_registry

# Notes that it was begun, perhaps takes a while, perhaps fails, and writes a report.
_SCANNER = f"""
import os, sys, time, pathlib
report, log, tarball, seconds, bad = sys.argv[1:]
folder = os.path.dirname(tarball)
with open(log, 'a') as file: file.write(folder.replace(os.sep, ' ') + '\\n')
time.sleep(float(seconds))
if bad and bad in folder: sys.exit('broken')
pathlib.Path(report).write_bytes({REPORT!r})
"""


class Place:
    """A folder with a configuration, images as archives, and a scanner that notes each execution.

    Attributes:
        log: a line for each time that a scanner was begun.
    """

    def __init__(self, folder: Path, *, images: int, url: str = "", seconds: float = 0.05, **settings) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.images = [layouts.write_archive(folder / f"image-{number}.tar", Image.build([layer({"n": str(number)})]))
                       for number in range(images)]  # fmt: skip
        for name in ("first", "second"):
            template = {
                "name": name,
                "description": "For tests",
                "image": "localhost/fake:1",
                "command": [
                    "python3", "-c", _SCANNER,
                    "{report}", "{parameter.log}", "{tarball}", "{parameter.seconds}", "{parameter.bad}",
                ],
                "format": "scanmatrix",
                "retries": 0,
                "parameters": {"log": str(self.log), "seconds": str(seconds), "bad": "none"},
            }  # fmt: skip
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(template))
        self.url = url or f"sqlite:///{folder / 'store.sqlite3'}"
        schedule = {"runsInFlight": 2, "cellsPerRun": 4, "lease": "2s", "inventory": "10s", "retry": {"first": "1s"}}
        config = {
            "targets": [
                {"archive": str(image), "owner": f"owner-{number % 3}"} for number, image in enumerate(self.images)
            ],
            "scans": {"default": ["first", "second"], "templates": ["first.yaml", "second.yaml"]},
            "volume": {"path": str(folder / "volume")},
            "local": {"runner": "process", "sandbox": "off"},  # the log lies outside of a scanner's own folders
            "store": {"url": self.url},
            "schedule": schedule | settings,
        }
        self.write(config)

    def write(self, config: dict) -> None:
        """Write the configuration."""
        self.settings = config
        (self.folder / "scanmatrix.yaml").write_text(yaml.safe_dump(config))

    def once(self) -> subprocess.CompletedProcess[str]:
        """`scanmatrix schedule --once`, to its end."""
        return scanmatrix("schedule", "--once", cwd=self.folder)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """`scanmatrix schedule` as a process in a session of its own."""
        return subprocess.Popen(
            [COMMAND, "schedule", *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def begun(self) -> Counter[str]:
        """How often each cell's scanner was begun, over all runs."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return Counter(" ".join(line.split()[-2:]) for line in lines)

    def results(self) -> dict[tuple[str, str], list[str]]:
        """Outcomes of each target and scan in the store, one for each run that had it."""
        database = make_database(parse_url(self.url))
        query = (
            select(targets.c.target, states.c.scan, cells.c.outcome)
            .join(states, states.c.id == cells.c.state_id)
            .join(targets, targets.c.id == states.c.target_id)
        )
        found: dict[tuple[str, str], list[str]] = {}
        with database.connect() as connection:
            for target, scan, outcome in connection.execute(query):
                found.setdefault((target, scan), []).append(outcome)
        database.dispose()
        return found

    def count(self, table) -> int:
        """Rows of a table."""
        database = make_database(parse_url(self.url))
        with database.connect() as connection:
            number = connection.scalar(select(func.count()).select_from(table))
        database.dispose()
        return number or 0


def everything_ok(place: Place) -> dict[tuple[str, str], list[str]]:
    return {key: ["ok"] for key in place.results()}


def test_everything_is_scanned_once_and_then_fresh(tmp_path):
    place = Place(tmp_path, images=5)
    done = place.once()
    assert done.returncode == 0, done.stderr
    assert set(place.begun.values()) == {1}
    assert len(place.begun) == 10
    assert place.results() == everything_ok(place)
    assert len(place.results()) == 10
    # Bounded runs, and nothing is left of them but their results.
    assert place.count(runs) == 3
    assert place.count(submissions) == 0
    again = place.once()
    assert again.returncode == 0, again.stderr
    assert place.begun.total() == 10
    shown = scanmatrix("schedule", "--show", cwd=tmp_path)
    assert "Nothing is due" in shown.stdout
    assert scanmatrix("schedule", "--show", "--output", "json", cwd=tmp_path).stdout.startswith("{")


def test_a_new_target_is_scanned_alone(tmp_path):
    place = Place(tmp_path, images=3)
    place.write(place.settings | {"targets": place.settings["targets"][:2]})
    assert place.once().returncode == 0
    full = [{"archive": str(image), "owner": "x"} for image in place.images]
    place.write(place.settings | {"targets": full})
    assert place.once().returncode == 0
    assert len(place.begun) == 6
    assert set(place.begun.values()) == {1}


def test_what_fails_is_tried_again_later_and_disturbs_nobody(tmp_path):
    place = Place(tmp_path, images=2, retry={"first": "30m", "longest": "30m"})
    parameters = {"parameters": {"first": {"bad": "/first"}}}
    place.write(place.settings | {"scans": place.settings["scans"] | parameters})
    done = place.once()
    assert done.returncode == 0, done.stderr
    outcomes = Counter((scan, *how) for (_, scan), how in place.results().items())
    assert outcomes == {("first", "failed"): 2, ("second", "ok"): 2}
    assert place.once().returncode == 0
    assert place.begun.total() == 4
    assert "broken" in scanmatrix("schedule", "--show", cwd=tmp_path).stdout


@pytest.mark.parametrize(("times", "least"), [(6, 1), pytest.param(15, 4, marks=pytest.mark.campaign)])
def test_killed_at_random_points_many_times(tmp_path, times, least):
    place = Place(tmp_path, images=6, cellsPerRun=2)
    dice = random.Random(os.getpid())
    kills = 0
    for number in range(times):
        process = place.start("--once")
        try:
            process.wait(dice.uniform(0.3, 3.5 if number else 0.8))  # the first one has all to do, and is not done then
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= least
    done = place.once()
    assert done.returncode == 0, done.stderr
    # No result is lost, none is there twice, and nothing is left that waits for somebody.
    assert len(place.results()) == 12
    assert place.results() == everything_ok(place)
    assert place.count(submissions) == 0
    assert place.count(wanted) == 12
    with BacklogStore(place.url) as store:
        assert store.backlog().count("fresh") == 12
    # Only what was being scanned when it was killed is scanned again.
    assert place.begun.total() <= 12 + kills * 4


def _both(place: Place) -> None:
    """Two schedulers at once, to their ends."""
    processes = [place.start("--once"), place.start("--once")]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said


def test_two_schedulers_at_once(tmp_path):
    place = Place(tmp_path, images=8, cellsPerRun=2, seconds=0.3)
    with BacklogStore(place.url) as store:
        store.migrate()
        most, stop = [0], threading.Event()

        def observe() -> None:
            while not stop.wait(0.05):
                most.append(len(store.backlog().flights))

        thread = threading.Thread(target=observe)
        thread.start()
        _both(place)
        stop.set()
        thread.join()
    assert max(most) == 2
    assert len(place.results()) == 16
    assert place.results() == everything_ok(place)
    assert set(place.begun.values()) == {1}


@pytest.fixture(scope="module")
def server():
    with start_postgres("127.0.0.1") as started:
        yield started


def test_two_schedulers_at_once_on_postgresql(server, tmp_path):
    place = Place(tmp_path, images=6, cellsPerRun=2, url=server.create("two"))
    _both(place)
    assert len(place.results()) == 12
    assert place.results() == everything_ok(place)
    assert set(place.begun.values()) == {1}


def test_the_database_goes_away_and_returns(server, tmp_path):
    place = Place(tmp_path, images=4, cellsPerRun=2, seconds=1.0, url=server.create("away"))
    config = load_config(tmp_path / "scanmatrix.yaml")
    with BacklogStore(place.url, patience=0) as store:
        scheduler = Scheduler(config, store, engines.make(config))
        thread = threading.Thread(target=scheduler.run)
        thread.start()
        try:
            wait_for(lambda: place.begun.total() >= 2)
            server.kill()
            wait_for(lambda: any("does not answer" in trouble.why for trouble in scheduler.notes.troubles))
            time.sleep(3)  # longer than the lease: the first may take over
            server.start()
            wait_for(lambda: scheduler.notes.troubles == () and store.backlog().count("fresh") == 8, seconds=90)
        finally:
            scheduler.stop()
            thread.join(20)
    assert not thread.is_alive()
    assert place.results() == everything_ok(place)
    assert set(place.begun.values()) == {1}


def test_ended_by_a_signal_it_leaves_all_to_the_next(tmp_path):
    place = Place(tmp_path, images=3, seconds=1.5)
    process = place.start()
    wait_for(lambda: place.begun.total() >= 2, process)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert time.monotonic() - began < 30
    assert place.results() == {}
    with BacklogStore(place.url) as store:
        assert all(flight.orphaned for flight in store.backlog().flights)
    assert place.once().returncode == 0
    assert len(place.results()) == 6
    assert place.results() == everything_ok(place)


def test_it_runs_forever_scans_what_becomes_stale_and_finishes_what_ended_without_its_last_step(tmp_path):
    place = Place(tmp_path, images=1, inventory="1s")
    place.write(place.settings | {"rescanAfter": {"first": "3s", "second": "1h"}})
    volume, left = Volume(tmp_path / "volume"), make_plan(run="left")
    write_plan(left, volume)
    write_atomic(volume.claim("left"), encode(RunClaim(run="left", workflow="deleted", uid="uid")))
    os.utime(volume.claim("left"), (time.time() - 10 * 86_400,) * 2)
    process = place.start()
    try:
        wait_for(lambda: place.begun.total() >= 4, process)
        wait_for(lambda: not volume.claim("left").exists(), process)
        assert len(read_ledger(volume, "left").rows) == len(left.cells)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    scans = Counter(cell.split()[1] for cell in place.begun.elements())
    assert scans["second"] == 1
    assert scans["first"] >= 3


def test_a_source_that_cannot_be_read_is_reported_and_tried_again(tmp_path):
    place = Place(tmp_path, images=1)
    targets_ = [*place.settings["targets"], {"csv": {"path": "missing.csv"}}]
    place.write(place.settings | {"targets": targets_})
    done = place.once()
    assert done.returncode in {2, 3}
    assert "missing.csv" in done.stderr
    process = place.start()
    try:
        while "missing.csv" not in (line := process.stderr.readline()):
            assert line, "it has ended"
        time.sleep(2)  # it tries again meanwhile
        (tmp_path / "missing.csv").write_text("image,scans\nregistry.invalid/app:1,first\n")
        while "works again" not in (line := process.stderr.readline()):
            assert line, "it has ended"
            assert "missing.csv" not in line  # told once, however often it was tried
        assert place.count(wanted) == 3
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _pod(name: str, reference: str, digest: str) -> dict:
    repository = reference.rpartition(":")[0]
    status = {"name": "main", "imageID": f"{repository}@{digest}", "state": {"running": {}}}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "namespace": "shop", "resourceVersion": "1"},
        "spec": {"containers": [{"name": "main", "image": reference}]},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }


def test_what_starts_in_a_cluster_is_scanned_at_once_and_only_once(tmp_path, api):
    place = Place(tmp_path, images=0)
    (tmp_path / "registry").mkdir()
    with start_registry(tmp_path / "registry") as registry:
        made = [Image.build([layer({"n": str(number)})]) for number in range(2)]
        first, second = [
            _pod(f"pod-{number}", registry.push(f"app-{number}:1", image), image.digest)
            for number, image in enumerate(made)
        ]
        api.others, api.pods = {"namespaces": [{"metadata": {"name": "shop", "uid": "u"}}]}, [first]
        source = {"cluster": {"namespaces": ["shop"]}, "scans": ["first"], "owner": "platform"}
        place.write(place.settings | {"targets": [source], "schedule": {"lease": "2s", "inventory": "1h"}})
        process = place.start()
        try:
            wait_for(lambda: place.begun.total() == 1, process)
            began = time.monotonic()
            # The same image once more, one that is new, and a watch that the API server then no longer knows.
            again = first | {"metadata": first["metadata"] | {"name": "pod-9", "uid": "uid-9"}}
            api.pods = [first, again, second]
            expired = {"kind": "Status", "code": 410, "message": "too old resource version"}
            api.watches = [[("ADDED", again)], [("ADDED", second)], [("ERROR", expired)]]
            wait_for(lambda: place.begun.total() == 2, process)
            assert time.monotonic() - began < 30
            wait_for(lambda: len(place.results()) == 2, process)
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=30)[1]
    assert set(place.begun.values()) == {1}
    assert place.results() == everything_ok(place)
    with Store(place.url) as store:
        uses = [use for each in made for use in store.target(f"sha256-{each.digest[7:39]}").uses]
    assert [(use.namespace, use.kind, use.name, use.container, use.owner) for use in uses] == [
        ("shop", "Pod", "pod-0", "main", "platform"),
    ], said  # fmt: skip


def test_an_image_that_cannot_be_found_is_accounted_for_without_an_engine(tmp_path):
    place = Place(tmp_path, images=0, retry={"first": "30m", "longest": "30m"})
    place.write(place.settings | {"targets": [{"image": "127.0.0.1:1/app:1"}]})
    done = place.once()
    assert done.returncode == 0, done.stderr
    assert Counter(how for [how] in place.results().values()) == {Outcome.FAILED.value: 2}
    assert place.begun.total() == 0


def test_a_run_whose_plan_was_damaged_is_planned_again(tmp_path):
    place = Place(tmp_path, images=1)
    process = place.start("--once")
    plans = tmp_path / "volume" / "plans"
    wait_for(lambda: list(plans.glob("*.json")), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for plan in plans.glob("*.json"):
        plan.write_bytes(plan.read_bytes()[:100])
    done = place.once()
    assert done.returncode == 0, done.stderr
    time.sleep(1)  # its cells are held for a second, by the rules of this configuration
    assert place.once().returncode == 0
    assert place.results() == everything_ok(place)
    assert len(place.results()) == 2


def test_a_repository_is_scanned_again_when_it_has_another_commit(tmp_path):
    place = Place(tmp_path, images=0)
    origin, files = tmp_path / "shop.git", {"README": b"one", ".github/token": b"x"}
    repositories.make(origin, files)
    template = yaml.safe_load((tmp_path / "first.yaml").read_text())
    command = [{"{tarball}": "{checkout}"}.get(word, word) for word in template.pop("command")]
    (tmp_path / "first.yaml").write_text(yaml.safe_dump(template | {"repository": {"command": command}}))
    source = {"repository": {"url": origin.as_uri(), "ref": "main"}, "scans": ["first"], "owner": "shop"}
    place.write(place.settings | {"targets": [source]})
    for _ in range(2):
        done = place.once()
        assert done.returncode == 0, done.stderr
    assert list(place.results().values()) == [["ok"]]
    work = origin.with_name("shop.git.work")
    repositories.commit(work, {"README": b"two"})
    git("push", "-q", str(origin), "main", cwd=work)
    assert place.once().returncode == 0
    assert list(place.results().values()) == [["ok"], ["ok"]]
    assert place.count(wanted) == 1  # the commit before is no longer asked for
