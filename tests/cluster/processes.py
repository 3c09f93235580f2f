"""Processes that outlive the command which starts them, ended by the id and the start time that were written down."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.cluster.state import State

#: What this very process started. A running process must not be forgotten: that is a ResourceWarning.
_STARTED: list[subprocess.Popen[bytes]] = []


class ClusterError(Exception):
    """A part of the cluster did not start; says where its log is."""


def spawn(
    state: State, name: str, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
) -> None:
    """Start a process in a session of its own, unless it runs already."""
    if running(state, name):
        return
    with state.log(name).open("ab") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=state.folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _STARTED.append(process)
    record = {"pid": process.pid, "started": _started(process.pid)}
    _record(state, name).write_text(json.dumps(record))


def running(state: State, name: str) -> bool:
    """Whether the very process that was started under this name still runs."""
    return _pid(state, name) is not None


def stop(state: State, name: str, *, how: signal.Signals = signal.SIGTERM, patience: float = 10) -> None:
    """End a process: as asked, then for good. Nothing happens to another one that got its id since."""
    pid = _pid(state, name)
    if pid is not None:
        _signal(pid, how)
        if not wait_until(lambda: _pid(state, name) is None, patience):
            _signal(pid, signal.SIGKILL)
            wait_until(lambda: _pid(state, name) is None, 5)
    _record(state, name).unlink(missing_ok=True)


def tell(state: State, name: str, how: signal.Signals) -> None:
    """Send a signal to a process that runs.

    Raises:
        ClusterError: it does not.
    """
    pid = _pid(state, name)
    if pid is None:
        raise ClusterError(f"{name} does not run")
    _signal(pid, how)


def names(state: State) -> list[str]:
    """Of everything that was started."""
    return sorted(path.stem for path in (state.folder / "run").glob("*.json"))


def await_ready(state: State, name: str, ready: Callable[[], bool], *, patience: float = 60) -> None:
    """Wait for a process to do its work.

    Raises:
        ClusterError: it ended, or took too long.
    """
    if wait_until(lambda: ready() or not running(state, name), patience) and running(state, name):
        return
    log = state.log(name)
    tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    state_now = "took too long" if running(state, name) else "ended"
    raise ClusterError(f"{name} {state_now}; the end of {log}:\n{tail}")


def wait_until(done: Callable[[], bool], patience: float) -> bool:
    """Ask until it is so, or patience ends."""
    deadline = time.monotonic() + patience
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _record(state: State, name: str) -> Path:
    return state.folder / "run" / f"{name}.json"


def _pid(state: State, name: str) -> int | None:
    try:
        record = json.loads(_record(state, name).read_text())
    except (OSError, ValueError):
        return None
    started = _started(record["pid"])
    return record["pid"] if started is not None and started == record["started"] else None


def _started(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot (proc(5), field 22 of stat); None for a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] == "Z":
        with suppress(ChildProcessError):  # ours, when this very process started it
            os.waitpid(pid, os.WNOHANG)
        return None
    return int(fields[19])


def _signal(pid: int, how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, how)
