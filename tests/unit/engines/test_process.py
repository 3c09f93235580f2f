"""Scanner processes: whatever they do, they end, they are bounded, and what happened is reported."""

import dataclasses
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from orchestrator.engines.local import process as process_module
from orchestrator.engines.local.cgroups import Group, Place
from orchestrator.engines.local.guard import Guard
from orchestrator.engines.local.output import LOG_BYTES
from orchestrator.engines.local.process import Ended, Job, run_job
from orchestrator.engines.local.sandbox import find_sandbox


def job(folder: Path, script: str, *, timeout: float = 20, limit: int = 1 << 20, **options) -> Job:
    """A job that runs a line of Python."""
    return Job(
        argv=(sys.executable, "-c", script),
        folder=folder,
        environment={"PATH": os.defpath},
        report=folder / "report.json",
        report_limit=limit,
        timeout=timeout,
        **{"guard": Guard(), **options},
    )


def go_on() -> str:
    return ""


def run(folder: Path, script: str, **options) -> Ended:
    return run_job(job(folder, script, **options), go_on)


def run_shell(folder: Path, script: str, **options) -> Ended:
    """Starts at once also where Python takes seconds to start."""
    return run_job(dataclasses.replace(job(folder, "", **options), argv=("/bin/sh", "-c", script)), go_on)


def test_success(tmp_path: Path) -> None:
    assert run(tmp_path, "print('all well')") == Ended(exit_code=0, log="all well")


def test_an_exit_code_that_means_findings_is_success(tmp_path: Path) -> None:
    assert run(tmp_path, "exit(1)", success_codes=(0, 1)) == Ended(exit_code=1)


def test_another_exit_code_is_an_error_with_the_last_line(tmp_path: Path) -> None:
    ended = run(tmp_path, "import sys; print('first'); print('cannot open it', file=sys.stderr); exit(3)")
    assert ended.exit_code == 3
    assert "3" in ended.error
    assert "cannot open it" in ended.error
    assert ended.log == "cannot open it"
    assert not ended.temporary


def test_a_scanner_that_asks_to_be_tried_again(tmp_path: Path) -> None:
    assert run(tmp_path, "exit(75)").temporary


def test_a_crash_is_temporary_and_names_the_signal(tmp_path: Path) -> None:
    ended = run(tmp_path, "import os; os.kill(os.getpid(), 11)")
    assert ended.exit_code == 128 + 11
    assert "SIGSEGV" in ended.error
    assert ended.temporary


def test_killed_for_its_memory(tmp_path: Path) -> None:
    ended = run(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert ended.exit_code == 137
    assert "memory" in ended.error


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    ended = run_job(Job(("/nowhere/scanner",), tmp_path, {}, tmp_path / "report.json", 1, 1), go_on)
    assert ended.exit_code is None
    assert "/nowhere/scanner" in ended.error
    assert not ended.temporary


@pytest.mark.parametrize("sandboxed", [False, True])
def test_a_control_group_that_somebody_removed_passes(sandboxed: bool, tmp_path: Path) -> None:
    gone = Group((Place(tmp_path / "groups", 2, ("memory",)),))
    sandbox = ("/usr/bin/env", "--") if sandboxed else ()
    ended = run(tmp_path, "print('never')", guard=Guard(sandbox, gone))
    assert "cannot be started" in ended.error
    assert ended.temporary
    gc.collect()  # pipes left open are warnings, which are errors


def test_a_program_that_the_kernel_does_not_start_is_a_lasting_fault(tmp_path: Path) -> None:
    program = tmp_path / "scanner"
    program.write_bytes(b"\x7fELF, and no more")
    program.chmod(0o755)
    ended = run_job(Job((str(program),), tmp_path, {}, tmp_path / "report.json", 1, 1, guard=Guard()), go_on)
    assert "cannot be started" in ended.error
    assert not ended.temporary
    gc.collect()


def test_a_hang_is_ended_at_the_timeout(tmp_path: Path) -> None:
    start = time.monotonic()
    ended = run_shell(tmp_path, "echo waiting; exec sleep 600", timeout=2)
    assert time.monotonic() - start < 30
    assert "timed out" in ended.error
    assert ended.exit_code is None
    assert ended.log == "waiting"
    assert not ended.temporary


def test_a_scanner_that_ignores_sigterm_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "GRACE", 0.3)
    ended = run_shell(tmp_path, "trap '' TERM; sleep 600 & echo $$ $! > pids; wait", timeout=2)
    assert "timed out" in ended.error
    assert_gone(*map(int, (tmp_path / "pids").read_text().split()))


def test_children_left_behind_by_a_success_are_killed(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "open('pid', 'w').write(str(child.pid))\n"
    )
    assert run(tmp_path, script).error == ""
    assert_gone(int((tmp_path / "pid").read_text()))


def test_a_child_in_a_session_of_its_own_that_holds_the_pipe_open_is_killed(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "open('pid', 'w').write(str(child.pid))\n"
    )
    start = time.monotonic()
    assert run(tmp_path, script).error == ""
    assert time.monotonic() - start < 30
    assert_gone(int((tmp_path / "pid").read_text()))


def test_a_scanner_that_closes_its_output_and_continues(tmp_path: Path) -> None:
    ended = run(tmp_path, "import os, time; os.close(1); os.close(2); time.sleep(0.5)")
    assert ended == Ended(exit_code=0)


def test_two_hundred_megabytes_of_output_leave_four_kilobytes(tmp_path: Path) -> None:
    before = psutil.Process().memory_info().rss
    ended = run(
        tmp_path, "import os\nfor _ in range(3200): os.write(2, b'x' * 65535 + b'\\n')\nos.write(2, b'the end')"
    )
    assert ended.exit_code == 0
    assert ended.log.endswith("the end")
    assert len(ended.log) <= LOG_BYTES
    assert psutil.Process().memory_info().rss - before < 50 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_grows_too_large_stops_the_scanner(tmp_path: Path) -> None:
    script = "f = open('report.json', 'wb')\nwhile True: f.write(b'x' * 65536); f.flush()"
    ended = run(tmp_path, f"import time\n{script}; time.sleep(0.002)", limit=1 << 20)
    assert "limit" in ended.error
    assert ended.exit_code is None
    assert not ended.temporary


def test_a_report_that_was_too_large_at_the_end(tmp_path: Path) -> None:
    assert "limit" in run(tmp_path, "open('report.json', 'w').write('x' * 100)", limit=99).error


def test_a_report_from_standard_output(tmp_path: Path) -> None:
    ended = run(tmp_path, "import sys; print('report'); print('log', file=sys.stderr)", from_stdout=True)
    assert (tmp_path / "report.json").read_text() == "report\n"
    assert ended.log == "log"


def test_an_endless_report_on_standard_output_is_stopped(tmp_path: Path) -> None:
    ended = run(tmp_path, "import os\nwhile True: os.write(1, b'x' * 4096)", from_stdout=True, limit=1 << 16)
    assert "limit" in ended.error


def test_a_reason_to_stop_ends_it_at_once(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    ended = run_job(job(tmp_path, "import time; time.sleep(600)"), lambda: "the deadline" if stop.is_set() else "")
    assert ended.error == "the deadline"
    assert time.monotonic() - start < 30


def test_it_gets_the_environment_it_is_given_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_PASSWORD", "secret")
    ended = run(tmp_path, "import os; print(sorted(set(os.environ) - {'LC_CTYPE', '__CF_USER_TEXT_ENCODING'}))")
    assert ended.log == "['PATH']"


def test_it_inherits_neither_standard_input_nor_files(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w"):
        ended = run(tmp_path, "import os, sys; print(repr(sys.stdin.read()), sorted(os.listdir('/dev/fd'))[:3])")
    assert ended.log.startswith("''")
    opened = run(tmp_path, "import os; print(sum(os.path.exists(f'/dev/fd/{n}') for n in range(3, 200)))")
    assert opened.log == "0"


def test_control_characters_do_not_reach_the_log(tmp_path: Path) -> None:
    ended = run(tmp_path, r"print('\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07 caf\u00e9\ttab')")
    assert "\x1b" not in ended.log
    assert "\x07" not in ended.log
    assert "red" in ended.log
    assert "café\ttab" in ended.log


def test_it_has_a_session_of_its_own(tmp_path: Path) -> None:
    assert run(tmp_path, "import os; print(os.getsid(0) == os.getpid())").log == "True"


def assert_gone(*pids: int) -> None:
    """All of them have ended (perhaps not yet been reaped by init)."""
    end = time.monotonic() + 30
    for pid in pids:
        while _runs(pid):
            assert time.monotonic() < end
            time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_sandbox_leaves_no_zombie_and_has_ended_when_we_say_so(tmp_path: Path) -> None:
    sandbox = find_sandbox(tmp_path)
    if sandbox is None:
        pytest.skip("bubblewrap does not work here")
    work = tmp_path / "work"
    work.mkdir()
    seconds = str(300 + os.getpid() / 1_000_000)  # by which the daemon is found from outside
    script = f"setsid sleep {seconds} & exec true"
    before = {child.pid for child in psutil.Process().children()}
    for _ in range(5):
        with sandbox.make_temporary(work) as temporary:
            guard = Guard(sandbox.command(writable=[work], temporary=temporary))
            done = run_job(
                Job(("/bin/sh", "-c", script), work, {"PATH": os.defpath}, work / "r", 1, 20, guard=guard), go_on
            )
        assert done.exit_code == 0, done
        assert not [one for one in psutil.process_iter(["cmdline"]) if seconds in (one.info["cmdline"] or ())]
    assert {child.pid for child in psutil.Process().children()} <= before


#: An engine that is killed when it has just started a process, or when bubblewrap has just said what it made.
KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from orchestrator.engines.local import guard
from orchestrator.engines.local.process import Job, run_job
moment, folder, *sandbox = sys.argv[1:]
if moment == "started":
    class Killing(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)
    subprocess.Popen = Killing
else:
    guard._first_process = lambda said: os.kill(os.getpid(), signal.SIGKILL)
work = Path(folder)
held = guard.Guard(tuple(sandbox))
run_job(Job(("/bin/sleep", "60"), work, {}, work / "report", 1, 90, guard=held), lambda: "")
"""


@pytest.mark.parametrize("moment", ["started", "said"])
def test_a_sandbox_ends_with_an_engine_that_is_killed_while_it_is_set_up(moment: str, tmp_path: Path) -> None:
    sandbox = find_sandbox(tmp_path)
    if sandbox is None:
        pytest.skip("bubblewrap does not work here")
    work = tmp_path / "work"
    work.mkdir()
    with sandbox.make_temporary(work) as temporary:
        command = sandbox.command(writable=[work], temporary=temporary)
        engine = subprocess.run([sys.executable, "-c", KILLED, moment, work, *command], timeout=60, check=False)
        assert engine.returncode == -signal.SIGKILL
        end = time.monotonic() + 60
        while (left := naming(work)) and time.monotonic() < end:
            time.sleep(0.05)
        for process in left:
            process.kill()
        assert left == []


def naming(path: Path) -> list[psutil.Process]:
    """Processes that have this path in their command line."""
    return [one for one in psutil.process_iter(["cmdline"]) if str(path) in (one.info["cmdline"] or ())]


def test_nothing_is_left_of_us(tmp_path: Path) -> None:
    children = {child.pid for child in psutil.Process().children()}
    run(tmp_path, "exit(1)")
    assert {child.pid for child in psutil.Process().children()} <= children
    assert subprocess._active == []
