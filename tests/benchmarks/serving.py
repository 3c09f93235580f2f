"""A service in a process of its own, for benchmarks: what CPU it has taken, and how much memory it has."""

import http.client
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_LISTENING = re.compile(r"listening on http://\S+:(\d+)")
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 300


class ServedApart:
    """That process.

    Attributes:
        port: on loopback.
    """

    def __init__(self, pid: int, port: int) -> None:
        self._proc = Path(f"/proc/{pid}")
        self.port = port

    @property
    def cpu(self) -> float:
        """Seconds that it has taken."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def memory(self) -> float:
        """MB that it has in memory now."""
        return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    @property
    def peak(self) -> float:
        """Most MB that it has had."""
        [said] = re.findall(r"VmHWM:\s+(\d+) kB", (self._proc / "status").read_text())
        return int(said) * 1024 / 1e6

    @property
    def threads(self) -> int:
        """How many it has."""
        return sum(1 for _ in (self._proc / "task").iterdir())

    @property
    def files(self) -> int:
        """How many files and sockets it has open."""
        return sum(1 for _ in (self._proc / "fd").iterdir())

    def read(self, path: str) -> bytes:
        """What is answered, whatever it is."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            found: bytes = answer.read()
            return found

    def get(self, path: str) -> tuple[int, int]:
        """The status of an answer, and the bytes of it as they come, compressed; 0 for none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            return answer.status, len(answer.read())
        except OSError:
            return 0, 0
        finally:
            connection.close()


@contextmanager
def served_apart(*words: str, module: str = "scanmatrix", cwd: Path | None = None) -> Iterator[ServedApart]:
    """Run what serves until the end of the block, once it is ready.

    Args:
        words: of the command line of a module, which says on stderr where it listens.
        module: it.
        cwd: where.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        process = subprocess.Popen([sys.executable, "-m", module, *words], cwd=cwd, stderr=log)
        try:
            found = ServedApart(process.pid, _port(Path(log.name), process))
            while found.get("/readyz")[0] != 200:
                time.sleep(0.1)
            yield found
        finally:
            process.terminate()
            process.wait(60)


def many_files() -> None:
    """Let this process, and those that it starts, have as many open files and sockets as they may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def median_and_worse(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and the most of some times; 0 where there are none."""
    times = sorted(seconds) or [0.0]
    return times[len(times) // 2], times[int(len(times) * 0.95)], times[-1]


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + _PATIENCE
    while not (found := _LISTENING.search(log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    return int(found[1])
