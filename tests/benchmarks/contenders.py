"""One of several commands that are measured side by side, in rounds: all see the same machine."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

MEGABYTE = 10**6


@dataclass
class Contender:
    """One way to get the tarball.

    Attributes:
        output: what the command writes, removed before each round; None where nothing is.
        environment: of its process.
        seconds: of each round.
        cpu: seconds of CPU of each round.
        peak: most resident memory of any round, megabytes.
        written: bytes of the output.
    """

    name: str
    command: list[str]
    output: Path | None
    environment: dict[str, str]
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: float = 0
    written: int = 0

    def run(self) -> None:
        """One round."""
        if self.output:
            self.output.unlink(missing_ok=True)
        os.sync()  # or what the one before left unwritten would be paid for by this one, who waits for the disk
        began = time.perf_counter()
        process = subprocess.Popen(
            self.command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        # Polled, because the kernel counts the memory of anybody who forked into a child's ru_maxrss.
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            self.peak = max(self.peak, _resident(process.pid))
            time.sleep(0.01)
        _, status, usage = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds.append(time.perf_counter() - began)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        _, errors = process.communicate()
        if process.returncode:
            sys.exit(f"{self.name} failed:\n{errors.decode(errors='replace')}")
        self.written = self.output.stat().st_size if self.output else 0


def _resident(process: int) -> float:
    """The most memory a process has had so far, megabytes; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 / MEGABYTE for line in lines if line.startswith("VmHWM:")), 0)


def compiled_in(folder: Path) -> dict[str, str]:
    """The environment of a command that finds its code compiled, whatever was done with this checkout so far."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(folder)}
