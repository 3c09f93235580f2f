"""Reports kept from what scanners wrote: hostile folders, limits, and being told to end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.argo.agreed import PROGRAM
from orchestrator.argo.command_line import render
from orchestrator.argo.commands import KeepStep
from orchestrator.errors import UsageError
from orchestrator.findings.interface import ReportError
from orchestrator.findings.reading import read_report
from orchestrator.steps import keep as module
from orchestrator.steps.keep import UnkeptError, keep
from orchestrator.volume.layout import TIMED_OUT
from orchestrator.workflows.pods import _DEAF, _IS_DEAF

REPORT, LIMIT = "report.json", 10


@pytest.fixture(autouse=True)
def _same_signals(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def step(tmp_path: Path, *containers: str, ended: bool = True, timeout: dict[str, str] | None = None) -> KeepStep:
    """A step for some scanners, which have their folders."""
    for name in containers:
        for folder in ("scanned", "kept", "argo/ctr"):
            (tmp_path / folder / name).mkdir(parents=True)
        if ended:
            (tmp_path / "argo/ctr" / name / module.ENDED).write_text("0")
    return KeepStep(
        report=dict.fromkeys(containers, REPORT),
        limit=dict.fromkeys(containers, str(LIMIT)),
        timeout=timeout or {},
        executor=tmp_path / "argo",
        scanned=tmp_path / "scanned",
        kept=tmp_path / "kept",
    )


def reads(path: Path, limit: int = LIMIT) -> str:
    """A report, or why it is none."""
    try:
        return read_report(path, limit).decode()
    except ReportError as error:
        return str(error)


@pytest.mark.parametrize("text", ["", "0123456789", "01234567890", "0" * 5_000_000])
def test_a_report_is_kept_as_far_as_it_may_be_read(tmp_path: Path, text: str) -> None:
    made = step(tmp_path, "main")
    (made.scanned / "main" / REPORT).write_text(text)
    list(keep(made))
    kept = made.kept / "main" / REPORT
    assert kept.read_text() == text[: LIMIT + 1]
    assert [path.name for path in kept.parent.iterdir()] == [REPORT]
    assert reads(kept).partition(":")[0] == reads(made.scanned / "main" / REPORT).partition(":")[0]


def test_without_a_report_there_is_none(tmp_path: Path) -> None:
    made = step(tmp_path, "main")
    (made.scanned / "main" / "other").write_text("x")
    assert list(keep(made)) == ["main: no report"]
    assert list((made.kept / "main").iterdir()) == []


def _link(path: Path) -> None:
    (path.parent / "elsewhere").write_text("secret")
    path.symlink_to("elsewhere")


def _socket(path: Path) -> None:
    os.mknod(path, 0o140600)


@pytest.mark.parametrize("make", [_link, os.mkfifo, Path.mkdir, _socket])
def test_what_is_no_file_is_refused_for_the_same_reason_and_never_read(tmp_path: Path, make) -> None:
    made = step(tmp_path, "main")
    make(made.scanned / "main" / REPORT)
    list(keep(made))
    reason = reads(made.scanned / "main" / REPORT)
    assert "file" in reason
    assert reads(made.kept / "main" / REPORT) == reason
    assert "secret" not in reads(made.kept / "main" / REPORT)


@pytest.mark.parametrize("call", ["open", "stat"])
def test_what_cannot_be_read_stays_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    made = step(tmp_path, "main")
    (made.scanned / "main" / REPORT).write_text("x")
    (made.scanned / "main" / REPORT).chmod(0)
    calls = getattr(os, call)

    def refuse(path, *args, **keys):  # root, who may run the tests, reads all
        if path == REPORT:
            raise PermissionError(13, "Permission denied")
        return calls(path, *args, **keys)

    monkeypatch.setattr(os, call, refuse)
    list(keep(made))
    assert (made.kept / "main" / REPORT).stat().st_mode & 0o777 == 0


def test_each_report_is_kept_when_its_own_scanner_has_ended(tmp_path: Path) -> None:
    made = step(tmp_path, "early", "late", ended=False)
    for name in ("early", "late"):
        (made.scanned / name / REPORT).write_text(name)
    lines = keep(made)
    (made.executor / "ctr/early" / module.ENDED).mkdir()  # whatever a scanner makes of it
    assert next(lines).startswith("early: 5 bytes")
    assert not (made.kept / "late" / REPORT).exists()
    timer = threading.Timer(0.3, (made.executor / "ctr/late" / module.ENDED).touch)
    timer.start()
    assert [line.partition(":")[0] for line in lines] == ["late"]
    assert (made.kept / "late" / REPORT).read_text() == "late"


def test_one_that_cannot_be_kept_costs_no_other(tmp_path: Path) -> None:
    made = step(tmp_path, "bad", "good")
    for name in ("bad", "good"):
        (made.scanned / name / REPORT).write_text(name)
    (made.kept / "bad" / REPORT).mkdir()  # no file can take its place
    with pytest.raises(UnkeptError, match="report of bad could not be kept"):
        list(keep(made))
    assert (made.kept / "good" / REPORT).read_text() == "good"
    assert list((made.kept / "bad").iterdir()) == [made.kept / "bad" / REPORT]


def test_a_limit_is_a_number(tmp_path: Path) -> None:
    made = step(tmp_path, "main")
    made.limit["main"] = "٣"  # type: ignore[index]
    with pytest.raises(UsageError, match="not a number"):
        list(keep(made))


def await_(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def ignores_term(pid: int) -> bool:
    """Or listens for it."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in status if line.startswith(("SigIgn:", "SigCgt:"))]
    return any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)


def test_scanners_start_when_it_is_deaf(tmp_path: Path) -> None:
    """What the kubelet runs before it starts them ends when a signal does it no harm any more, and not earlier."""
    program = tmp_path / "keeps-no-report"  # of as many characters, which are all that the kernel has of a name
    program.write_text("#!/bin/sh\nread -r _\n")
    program.chmod(0o755)
    begun = tmp_path / "begun"
    late = f"until [ -e {begun} ]; do sleep 0.01; done; {_DEAF}"
    process = subprocess.Popen(["/bin/sh", "-c", late, program], stdin=subprocess.PIPE)
    try:
        hook = subprocess.Popen(["/bin/sh", "-c", _IS_DEAF.replace(PROGRAM, program.name)])
        time.sleep(0.3)
        assert hook.poll() is None
        begun.touch()
        assert hook.wait(30) == 0
        assert ignores_term(process.pid)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("ends", [True, False])
def test_told_to_end_it_keeps_what_there_is(tmp_path: Path, ends: bool) -> None:
    """As pods start it: deaf until it listens. The scanner ends a moment later, or was killed and never says so."""
    made = step(tmp_path, "main", ended=False)
    (made.scanned / "main" / REPORT).write_text("half")
    program = [sys.executable, "-m", "orchestrator.steps", *render(made)]
    process = subprocess.Popen(["/bin/sh", "-c", _DEAF, *program], stdout=subprocess.DEVNULL)
    await_(lambda: ignores_term(process.pid))
    process.send_signal(signal.SIGTERM)  # the shell, or Python before it listens
    time.sleep(0.5)
    assert process.poll() is None
    if ends:
        (made.scanned / "main" / REPORT).write_text("whole")
        (made.executor / "ctr/main" / module.ENDED).touch()
    else:
        end = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < end:  # it hears it as soon as it listens
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
    assert process.wait(30) == 0
    assert (made.kept / "main" / REPORT).read_text() == ("whole" if ends else "half")


def test_a_signal_while_python_ends_makes_no_failure_of_it(tmp_path: Path) -> None:
    """What is left in a module is removed after Python has stopped listening for signals."""
    made = step(tmp_path, "main")
    code = (
        "import os, signal, sys\n"
        "class Late:\n"
        "    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGTERM): kill(pid, number)\n"
        "late = Late()\n"
        "from orchestrator.steps.__main__ import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = render(made)
    process = subprocess.run([sys.executable, "-c", code, *words], stdout=subprocess.DEVNULL, check=False)
    assert process.returncode == 0


def _obey(own: Path, told: list[str]) -> threading.Thread:
    """Argo's first process of a container: it sends what is in the file to its scanner, which then has ended."""

    def wait() -> None:
        end = time.monotonic() + 20
        while not (own / module.SIGNAL).is_file() and time.monotonic() < end:
            time.sleep(0.01)
        told.append((own / module.SIGNAL).read_text())
        (own / module.SIGNAL).unlink()
        (own / module.ENDED).write_text("137")

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_scanner_that_takes_too_long_is_ended_and_no_other(tmp_path: Path) -> None:
    made = step(tmp_path, "hangs", "long", ended=False, timeout={"hangs": "1", "long": "3600"})
    (made.scanned / "hangs" / REPORT).write_text("half")
    told: list[str] = []
    begun, argo = time.monotonic(), _obey(made.executor / "ctr/hangs", told)
    lines = keep(made)
    assert next(lines).startswith("hangs: 4 bytes")
    assert time.monotonic() - begun >= 1
    argo.join()
    assert told == ["9"]
    assert (made.kept / "hangs" / TIMED_OUT).exists()
    assert not list((made.executor / "ctr/hangs").glob(".*"))
    assert list((made.executor / "ctr/long").iterdir()) == list((made.kept / "long").iterdir()) == []
    (made.executor / "ctr/long" / module.ENDED).touch()
    assert [line.partition(":")[0] for line in lines] == ["long"]


def test_the_time_of_a_scanner_begins_when_its_container_does(tmp_path: Path) -> None:
    """Its image may take long to be pulled."""
    made = step(tmp_path, "main", ended=False, timeout={"main": "0"})
    own = made.executor / "ctr/main"
    own.rmdir()
    deadlines = module._Deadlines(made)
    deadlines.look("main")
    assert not (made.kept / "main" / TIMED_OUT).exists()
    own.mkdir()
    deadlines.look("main")
    assert (own / module.SIGNAL).read_text() == "9"
    assert (made.kept / "main" / TIMED_OUT).exists()


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "full folder"])
def test_what_a_scanner_puts_in_the_place_of_the_signal_harms_nobody(tmp_path: Path, kind: str) -> None:
    made = step(tmp_path, "hangs", "other", ended=False, timeout={"hangs": "0"})
    own, elsewhere = made.executor / "ctr/hangs", made.kept / "other" / REPORT
    elsewhere.write_text("genuine")
    path = own / module.SIGNAL
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
        if kind == "full folder":
            (path / "file").touch()
    module._Deadlines(made).look("hangs")
    assert elsewhere.read_text() == "genuine"
    assert not list(own.glob(".*"))
    if kind in {"link", "pipe"}:
        assert not path.is_symlink()
        assert path.read_text() == "9"


def test_one_that_does_not_end_gets_the_signal_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.0)
    made = step(tmp_path, "main", ended=False, timeout={"main": "0"})
    deadlines = module._Deadlines(made)
    for _ in range(2):
        deadlines.look("main")
        (made.executor / "ctr/main" / module.SIGNAL).unlink()


def test_a_timeout_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--timeout: '1\.5' is not a number of seconds"):
        list(keep(step(tmp_path, "main", timeout={"main": "1.5"})))
