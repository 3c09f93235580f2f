"""Hostile scanners as processes of the local engine: what they cannot read, cannot leave behind, and cannot fill.

Each runs in a sandbox (bubblewrap) and without one; as the user who runs the engine: root, and one who is not. All
scanners of a case run in one run of a real engine, two at a time: none may keep another from its result.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

from orchestrator.engines.local.cgroups import places
from orchestrator.engines.local.sandbox import Sandboxing, find_sandbox
from orchestrator.model import CellRecord, Plan, Resources, Scan
from orchestrator.model.documents import encode, read
from orchestrator.volume.layout import Volume
from tests.integration.engine import GOOD, REPORT, ROOT, is_running, kill, plan_of, wait_for
from tests.tools import samples

SECRET = "s3cr3t-of-the-engine"
NOBODY = 65534
#: An interpreter that users other than root can start, too.
PYTHON = "/usr/bin/python3"
HEAD = f"import sys, os, time, signal, json; tarball, report, workdir = sys.argv[1:]; good = {REPORT!r}\n"
BOUND = 20 << 20

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="what Linux offers"),
    pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"no {PYTHON}"),
]

SPY = r"""
import ctypes, resource
found = []

def attempt(name, read):
    try:
        if read():
            found.append(name)
    except OSError:
        pass

def links(folder):
    return [os.readlink(f'{folder}/{one}') for one in os.listdir(folder)]

parent = os.getppid()
above = int(open(f'/proc/{parent}/stat').read().rpartition(')')[2].split()[1]) if parent > 1 else 0
for pid in {parent, above} - {0, os.getpid()}:
    attempt(f'files of {pid}', lambda: links(f'/proc/{pid}/fd'))
    attempt(f'root of {pid}', lambda: os.listdir(f'/proc/{pid}/root/'))
    attempt(f'folder of {pid}', lambda: os.listdir(f'/proc/{pid}/cwd/'))
    attempt(f'memory of {pid}', lambda: open(f'/proc/{pid}/mem', 'rb'))
    attempt(f'environ of {pid}', lambda: open(f'/proc/{pid}/environ', 'rb').read())
    attempt(f'trace of {pid}', lambda: pid > 1 and ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0)
for pid in filter(str.isdigit, os.listdir('/proc')):
    attempt(f'secret in {pid}', lambda: SECRET in open(f'/proc/{pid}/environ', 'rb').read())
    attempt(f'secret in {pid}', lambda: SECRET in open(f'/proc/{pid}/cmdline', 'rb').read())
attempt('stdin', lambda: sys.stdin.read())
attempt('inherited', lambda: [one for one in os.listdir('/proc/self/fd') if int(one) > 3])
attempt('core', lambda: resource.getrlimit(resource.RLIMIT_CORE)[1])
sys.stderr.write(json.dumps(found))
"""
SEES = """
seen = dict(
    home=os.path.exists(HOME), root=os.path.exists('/root'), shadow=os.path.exists('/etc/shadow'),
    volume=os.listdir(VOLUME), network=[one[1] for one in __import__('socket').if_nameindex()],
    processes=len([one for one in os.listdir('/proc') if one.isdigit()]), uid=os.getuid(), written=[],
)
for path in (tarball, '/x', '/usr/x', '/etc/x', '/tmp/x', '/var/tmp/x', '/dev/shm/x', '/dev/x'):
    try:
        open(path, 'ab').close()
        seen['written'].append(path)
    except OSError:
        pass
for act in (lambda: os.chmod(tarball, 0o666), lambda: os.unlink(tarball), lambda: os.link(tarball, 'x')):
    try:
        act()
        seen['written'].append('the tarball')
    except OSError:
        pass
lines = [line.split() for line in open('/proc/self/status')]
seen['capabilities'] = [words[1] for words in lines if words[0] in ('CapEff:', 'CapPrm:', 'CapBnd:')]
sys.stderr.write(json.dumps(seen))
"""
# Three that nobody's group, session or parent leads to; `MARK` is how the test finds them from outside.
DAEMONS = """
sleep = [sys.executable, '-c', 'import signal, time; signal.signal(15, 1); time.sleep(300)', MARK]
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 100)
            os.execv(sys.executable, sleep)
        os._exit(0)
time.sleep(0.3)
"""
# It would be a thousand; those that it has stay until they are ended.
BOMB = """
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            os.setsid()
            time.sleep(300)
        made += 1
except OSError:
    pass
sys.stderr.write(str(made))
"""
DEEP = """
here = os.open('.', os.O_RDONLY)
for _ in range(1500):
    os.mkdir('d' * 100, dir_fd=here)
    below = os.open('d' * 100, os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = below
"""
SHUT = """
os.makedirs('a/b')
open('a/b/c', 'w').close()
for each in ('a/b', 'a', '.'):
    os.chmod(each, 0)
"""
CHANGES = """
os.chmod(tarball, 0o644)
with open(tarball, 'r+b') as file:
    file.seek(600)
    file.write(b'evil')
os.utime(tarball, (0, 0))
os.chmod(tarball, 0o444)
"""
#: Reports that are no files of their scanner's own.
REPORTS = {
    "pipe": "os.mkfifo(report)",
    "link": "os.symlink(tarball, report)",
    "folder": "os.mkdir(report)",
    "hard-link": "open('x', 'wb').write(good); os.link('x', report)",
    "socket": "__import__('socket').socket(1).bind('report.json')",
}
#: What fills a folder; the last has ended before anybody looks.
FILLS = {
    "files": "for n in range(64): open(f'f{n}', 'wb').write(bytes(1 << 20))\ntime.sleep(60)",
    "deeper": "os.mkdir('d')\nfor n in range(64): open(f'd/{n}', 'wb').write(bytes(1 << 20))\ntime.sleep(60)",
    # Without a name, held open: nothing in the folder shows them.
    "removed": (
        "held = []\nfor n in range(3):\n held.append(open('x', 'wb', 0)); os.unlink('x')\n"
        " held[n].write(bytes(15 << 20))\ntime.sleep(60)"
    ),
    "one-file": "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('x', 'wb').write(bytes(64 << 20))",
    "quickly": f"{GOOD}\nfor n in range(64): open(f'f{{n}}', 'wb').write(bytes(1 << 20))",
}
SHM = "for n in range(64): open(f'/dev/shm/{n}', 'wb').write(bytes(1 << 20))\ntime.sleep(60)"
ENDS = {
    "success": GOOD,
    "failure": "sys.exit(3)",
    "stopped": "signal.signal(15, 1); os.kill(os.getpid(), signal.SIGSTOP); time.sleep(600)",
    "kills-its-parent": "os.kill(os.getppid(), 9); time.sleep(600)",
}


def scan(name: str, script: str, **fields: object) -> Scan:
    command = (PYTHON, "-c", HEAD + script, "{tarball}", "{report}", "{workdir}")
    fixed = {"image": "localhost/x:1", "format": "scanmatrix", "timeout": 20, "retries": 0}
    return Scan(**{"name": name, "command": command, **fixed, **fields})


@dataclass
class Case:
    """Who runs the engine, how it keeps scanners, and where."""

    user: int
    sandbox: Sandboxing
    folder: Path

    @property
    def volume(self) -> Volume:
        return Volume(self.folder / "volume")

    def start(self, *scans: Scan) -> "tuple[Plan, subprocess.Popen[str]]":
        """An engine in a process of its own, with a secret in its environment."""
        plan = plan_of(self.folder, [samples.small()], scans)
        path = self.folder / "plan.json"
        path.write_bytes(encode(plan))
        for made in (self.folder, *self.folder.rglob("*")):
            os.chown(made, self.user, self.user)
            made.chmod(0o755)
        site = next(name for name in sys.path if name.endswith("site-packages"))
        become = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", PYTHON]
        start = become if self.user != os.geteuid() else [sys.executable]
        engine = subprocess.Popen(
            [*start, "-m", "tests.integration.engine", path, self.volume.root, "process", self.sandbox],
            env={"PATH": os.defpath, "HOME": os.fspath(self.folder), "REGISTRY_PASSWORD": SECRET,
                 "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        return plan, engine

    def run(self, *scans: Scan) -> dict[str, CellRecord]:
        plan, engine = self.start(*scans)
        try:
            _, said = engine.communicate(timeout=240)
        finally:
            engine.kill()
        assert engine.returncode == 0, said
        return {
            cell.scan: read(self.volume.record(plan.run, cell.target, cell.scan), CellRecord) for cell in plan.cells
        }


@dataclass
class Done:
    """What came of all of them."""

    case: Case
    records: dict[str, CellRecord]
    mark: str

    @property
    def sandboxed(self) -> bool:
        return self.case.sandbox == "auto"


CASES = {"root-auto": (0, "auto"), "root-off": (0, "off"), "user-auto": (NOBODY, "auto"), "user-off": (NOBODY, "off")}


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    user, sandbox = request.param
    if os.geteuid() != 0:
        if user == 0:
            pytest.skip("the tests do not run as root")
        user = os.geteuid()
    with tempfile.TemporaryDirectory() as tried:
        if sandbox == "auto" and find_sandbox(Path(tried)) is None:
            pytest.skip("bubblewrap does not work here")
    # Not pytest's own folder, which only root may enter.
    folder = Path(tempfile.mkdtemp(prefix="scanmatrix-hostile-")).resolve()
    yield Case(user, sandbox, folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def done(case: Case) -> Done:
    home, mark = case.folder / ".docker", f"left-by-{os.urandom(8).hex()}"
    home.mkdir()
    daemons = DAEMONS.replace("MARK", repr(mark))
    sees = SEES.replace("HOME", repr(os.fspath(home))).replace("VOLUME", repr(os.fspath(case.volume.root)))
    of_sandboxes = [scan("sees", f"{sees}\n{GOOD}"), scan("fills-shm", SHM, scratch_limit=BOUND)]
    records = case.run(
        scan("spies", f"SECRET = {SECRET.encode()[::-1]!r}[::-1]\n{SPY}\n{GOOD}"),
        *(scan(f"daemons-{name}", f"{daemons}\n{end}", timeout=3) for name, end in ENDS.items()),
        *(scan(f"report-{name}", script) for name, script in REPORTS.items()),
        *(scan(f"fills-{name}", script, scratch_limit=BOUND) for name, script in FILLS.items()),
        *(of_sandboxes if case.sandbox == "auto" else ()),
        scan("deep", DEEP + GOOD),
        scan("shut", f"{GOOD}\n{SHUT}"),
        scan("changes", CHANGES + GOOD),
        scan("replaces", f"os.unlink(tarball); open(tarball, 'wb').write(b'another')\n{GOOD}"),
        scan("bomb", BOMB + GOOD, resources=Resources(pids=60), retries=2),
        scan("eats", f"kept = b'x' * (300 << 20)\n{GOOD}", resources=Resources(memory_limit="100Mi")),
        scan("fine", GOOD, retries=2),
    )
    return Done(case, records, mark)


def left(mark: str) -> list[int]:
    """Living processes with this word in their command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_nothing_of_the_engine_is_read_out_of_proc(done: Done) -> None:
    record = done.records["spies"]
    assert not record.error, record
    found = msgspec.json.decode(record.log)
    assert not [one for one in found if "secret" in one or one in {"core", "stdin", "inherited"}]
    if not done.sandboxed:  # in a sandbox the parent is bubblewrap's, which holds nothing of ours
        assert found == []


def test_a_sandbox_shows_no_home_no_volume_no_network_and_no_other_process(done: Done) -> None:
    if not done.sandboxed:
        pytest.skip("what a sandbox is for")
    record = done.records["sees"]
    assert not record.error, record
    seen = msgspec.json.decode(record.log)
    assert seen.pop("processes") <= 3
    assert set(seen.pop("capabilities")) == {"0" * 16}
    assert seen == {
        "home": False, "root": False, "shadow": False, "volume": ["runs"], "network": ["lo"],
        "uid": done.case.user or 65532, "written": ["/tmp/x", "/var/tmp/x", "/dev/shm/x"],
    }  # fmt: skip


def test_what_scanners_leave_running_ends_with_them(done: Done) -> None:
    wait_for(lambda: not left(done.mark), seconds=5)
    errors = {name: done.records[f"daemons-{name}"].error for name in ENDS}
    assert not errors["success"]
    assert "exit code 3" in errors["failure"]
    assert "timed out" in errors["stopped"]
    assert errors["kills-its-parent"]


def test_folders_have_a_bound(done: Done) -> None:
    filled = {name: record.error for name, record in done.records.items() if name.startswith("fills-")}
    assert len(filled) >= len(FILLS)
    for name, error in filled.items():
        assert "scratchLimit" in error, (name, error)
        assert str(BOUND) in error


def test_what_scanners_do_to_their_folders_does_not_keep_them(done: Done) -> None:
    assert not done.records["deep"].error
    assert not list(done.case.volume.root.rglob("attempt-*"))


def test_a_report_is_a_file_of_the_scanner_s_own(done: Done) -> None:
    for name in REPORTS:
        assert "report" in done.records[f"report-{name}"].error, name
    reports = list(done.case.volume.root.glob("runs/*/*/*/report.json"))
    assert reports
    for report in reports:
        assert report.lstat().st_mode & 0o7137 == 0
        assert report.lstat().st_nlink == 1


def test_a_tarball_cannot_be_changed_for_other_cells(done: Done) -> None:
    for name in ("changes", "replaces"):
        assert done.records[name].error
        assert done.sandboxed or "image.tar" in done.records[name].error
    (blob,) = (done.case.volume.root / "blobs").glob("*.tar")
    assert b"evil" not in blob.read_bytes()
    assert not done.records["fine"].error


def test_a_fork_bomb_is_bounded(done: Done) -> None:
    if done.case.user == 0 and not any("pids" in place.controllers for place in places()):
        pytest.skip("the kernel bounds root's processes by control groups only")
    record = done.records["bomb"]
    assert not record.error, record
    assert int(record.log) <= 100


def test_memory_has_the_template_s_limit(done: Done) -> None:
    record = done.records["eats"]
    if "no limit of memory" in record.isolation:
        pytest.skip("no control group for that user here")
    assert "memoryLimit" in record.error
    assert record.exit_code == 137


def test_a_record_says_what_its_scanner_was_kept_in(done: Done) -> None:
    begins = "bubblewrap" if done.sandboxed else "process, no sandbox"
    assert all(record.isolation.startswith(begins) for record in done.records.values())


def test_nothing_lives_on_when_the_engine_is_killed(case: Case) -> None:
    mark = f"daemons-of-{os.urandom(8).hex()}"
    folder = case.folder / "killed"
    folder.mkdir()
    script = DAEMONS.replace("MARK", repr(mark)) + "time.sleep(600)"
    _, engine = Case(case.user, case.sandbox, folder).start(scan("hostile", script))
    try:
        wait_for(lambda: len(left(mark)) == 3, engine)
        kill(engine)
        engine.communicate(timeout=10)
        wait_for(lambda: not left(mark), seconds=10)
    finally:
        for pid in filter(is_running, left(mark)):
            os.kill(pid, signal.SIGKILL)
