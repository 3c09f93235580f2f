"""A scanner's server that a worker keeps running, and the cells that it reads one after the other."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.argo.feeder import Feeder
from orchestrator.argo.supervisor import FILES, PROGRAM_NAME, SupervisorPlaces, supervisor_command
from orchestrator.catalog.placeholders import fill_words
from orchestrator.engines.local.launch import Binding, StandingJob
from orchestrator.engines.local.output import LOG_BYTES, whole_lines
from orchestrator.engines.local.process import Ended, Job, judge
from orchestrator.engines.local.programs import local_command
from orchestrator.engines.queue.ordering import server_order, variables_of
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.kit.masking import mask
from orchestrator.kit.removal import remove_quietly
from orchestrator.model.endings import timed_out
from orchestrator.volume.layout import STANDING, STANDING_CELL, TARBALL, UNPACKED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.engines.local.launch import Launcher
    from orchestrator.engines.local.scanners import CellInputs
    from orchestrator.engines.local.scratch import Bound
    from orchestrator.model import Scan, Warm

_log = logging.getLogger(__name__)
#: The folders of a server, here and there; the cell's own first.
_FOLDERS = (_WORK, _SERVER, _OUTPUTS, _INPUTS) = ("work", "server", "outputs", "inputs")
#: Seconds that a cell may take beyond its timeout before the supervisor itself is thought to be stuck.
_MORE = 30.0
#: Seconds between two looks, at first and at most.
_FIRST_LOOK, _LAST_LOOK = 0.002, 0.05
#: Seconds for a server to end.
_END = 20.0
#: What the ledger says of how such a cell was kept.
BESIDE = "beside a server that stays running"
_ENDING = "it is not needed any more"


class ServerKey(NamedTuple):
    """What a server is for; another cell needs another one.

    Attributes:
        version: of the scan's template.
        database: folder of the version of its database.
        bound: of what it may keep on the disk.
    """

    version: str
    database: Path | None
    bound: Bound


class WarmServer:
    """One server, from its start to its end; one cell at a time.

    Args:
        scan: whose it is.
        key: what it is for.
        launcher: starts it.
        root: an empty folder of its own on the volume.
        program: a busybox, static where the scan runs in a container.
    """

    def __init__(self, scan: Scan, key: ServerKey, launcher: Launcher, root: Path, program: Path) -> None:
        if scan.warm is None:
            raise ValueError(f"{scan.name} has no server")
        self.key = key
        self._scan, self._warm, self._launcher = scan, scan.warm, launcher
        self._root = root
        self._isolation = ""
        self._ending = threading.Event()
        self._ended: Ended | None = None
        self._thread = threading.Thread(target=self._stay, name=f"scanmatrix.{scan.name}", daemon=True)
        for name in _FOLDERS:
            (root / name).mkdir(mode=0o700)
        self._feeder = Feeder(root / _INPUTS, root / _OUTPUTS)
        inside = self._inside
        database = {"database": f"{STANDING}/database"} if key.database else {}
        self._where = {"server": inside.server, "files": f"{inside.inputs}/{FILES}", **database}
        self._feeder.prepare(program)
        self._feeder.hold()
        self._feeder.serve(server_order(scan, scan.warm, inside.server, self._where, self._spell))

    def start(self, stopped: Callable[[], str]) -> str:
        """Start it, and wait until it is ready; why it is not, otherwise."""
        self._thread.start()
        while not (reason := stopped()):
            state = self._feeder.state()
            if self._ended is not None:
                return self.why_ended()
            if state == "ready":
                return ""
            time.sleep(_LAST_LOOK)
        return reason

    @property
    def is_there(self) -> bool:
        """Whether it can be given a cell."""
        return self._ended is None and not self._ending.is_set()

    def run(self, attempt: CellInputs, stopped: Callable[[], str]) -> Ended | None:
        """Have an image read; None where the server ended meanwhile, so that it is to be read again by another."""
        where = self._lay(attempt)
        try:
            where |= {"workdir": self._inside.work, "report": f"{self._inside.work}/{self._scan.report}"}
            printed = where["report"] if self._scan.report_from_stdout else ""
            words = self._spell(fill_words(self._warm.command, self._scan, self._where | where))
            environment = variables_of(self._scan, self._inside.work, self._where)
            self._feeder.ask(words, environment, timeout=self._scan.timeout, printed=printed)
            return self._wait(attempt, stopped)
        finally:
            with suppress(OSError):
                self._feeder.withdraw()
            self._put_back(attempt)

    def end(self) -> None:
        """End it, and remove its folders."""
        self._ending.set()
        self._feeder.close()
        if self._thread.ident is not None:
            self._thread.join(_END)
        remove_quietly(self._root)

    def _wait(self, attempt: CellInputs, stopped: Callable[[], str]) -> Ended | None:
        end, pause = time.monotonic() + self._scan.timeout + _MORE, _FIRST_LOOK
        while True:
            is_over = self._ended is not None  # before the look: it may have written its result and ended
            if (result := self._feeder.result()) is not None:
                break
            if is_over:
                return self._broken()
            if reason := stopped():
                self.end()
                return Ended(error=reason, isolation=self._isolation)
            if time.monotonic() > end:
                self.end()
                return self._timed_out()
            time.sleep(pause)
            pause = min(pause * 1.5, _LAST_LOOK)
        if result.how == "lost":
            return None
        if result.how == "stopped":
            self._ending.set()
            return self._timed_out()
        self._take_report(attempt)
        job = self._judged(attempt)
        return replace(judge(result.code, job, self._said()), isolation=self._isolation)

    def _broken(self) -> Ended | None:
        """Which bound the cell broke, where we ended everything over that; None where it ended otherwise."""
        ended = self._ended or Ended()
        return ended if ended.error and ended.exit_code is None else None

    def why_ended(self) -> str:
        """How it ended, in words."""
        self._thread.join(_END)
        ended = self._ended or Ended()
        said = whole_lines(self._feeder.log(of_server=True)[-LOG_BYTES:]).rpartition("\n")[2]
        state = self._feeder.state().removeprefix("unready: ").removeprefix("ended: ")
        return mask(": ".join(filter(None, (ended.error or state or "it ended", said))))

    def _timed_out(self) -> Ended:
        return Ended(error=timed_out(self._scan.timeout), log=self._said(), isolation=self._isolation)

    def _said(self) -> str:
        return mask(whole_lines(self._feeder.log()[-LOG_BYTES:]))

    def _stay(self) -> None:
        """The supervisor in its container or sandbox, until it ends or is to end."""
        places = [
            Binding("workdir" if name == _WORK else name, self._root / name, f"{STANDING}/{name}", name == _INPUTS)
            for name in _FOLDERS
        ]
        if self.key.database:
            places.append(Binding("database", self.key.database, f"{STANDING}/database"))
        job = Job(
            argv=tuple(supervisor_command(self._inside, within=self._warm.ready_within)),
            folder=self._root / _WORK,
            environment=self._scan.environment,
            report=self._root / _WORK / self._scan.report,
            report_limit=self._scan.report_limit,
            timeout=inf,
            bound=self.key.bound,
            folders=(self._root / _WORK, self._root / _SERVER, self._root / _OUTPUTS),
        )
        warm = self._warm
        words = (*warm.start, *warm.ready, *warm.command)
        try:
            with guarded(f"keeping the server of {self._scan.name}"):
                standing = StandingJob(words, self._told)
                ended = self._launcher.launch(self._scan, job, places, self._why_end, standing=standing)
        except (ScanmatrixError, OSError) as error:
            ended = Ended(error=in_words(error))
        self._ended = Ended() if ended.error == _ENDING else ended

    def _why_end(self) -> str:
        return _ENDING if self._ending.is_set() else ""

    def _told(self, isolation: str) -> None:
        self._isolation = f"{isolation}, {BESIDE}"

    @property
    def _inside(self) -> SupervisorPlaces:
        inputs, outputs, server, work = (f"{STANDING}/{name}" for name in (_INPUTS, _OUTPUTS, _SERVER, _WORK))
        return SupervisorPlaces(inputs, outputs, server, work)

    def _spell(self, command: tuple[str, ...]) -> tuple[str, ...]:
        return local_command(command) if self._launcher.is_process(self._scan) else command

    def _lay(self, attempt: CellInputs) -> dict[str, str]:
        """Put what a cell reads to where the scanner sees it; where that is."""
        (self._feeder.cell / TARBALL).hardlink_to(attempt.tarball)
        if attempt.layers:
            attempt.layers.rename(self._feeder.cell / UNPACKED)
        return {"tarball": f"{STANDING_CELL}/{TARBALL}", "layers": f"{STANDING_CELL}/{UNPACKED}"}

    def _put_back(self, attempt: CellInputs) -> None:
        """What the cell has read is the attempt's again: another server may have to read it."""
        with suppress(OSError):
            (self._feeder.cell / TARBALL).unlink(missing_ok=True)
        if attempt.layers:
            with suppress(OSError):
                (self._feeder.cell / UNPACKED).rename(attempt.layers)

    def _take_report(self, attempt: CellInputs) -> None:
        """Give the attempt what the scanner wrote, whatever that is: it is looked at there."""
        with suppress(OSError):
            (self._root / _WORK / self._scan.report).rename(attempt.work / self._scan.report)

    def _judged(self, attempt: CellInputs) -> Job:
        return Job(
            argv=self._warm.command,
            folder=attempt.work,
            environment={},
            report=attempt.work / self._scan.report,
            report_limit=self._scan.report_limit,
            timeout=self._scan.timeout,
            success_codes=self._scan.success_codes,
        )


def why_cold(scan: Scan, launcher: Launcher) -> str:
    """Why a scan's server cannot be kept running here; empty when it can."""
    warm: Warm | None = scan.warm
    if not launcher.is_apart(scan):
        return "there is no sandbox here"
    if shutil.which(PROGRAM_NAME) is None:
        return f"{PROGRAM_NAME} not found; install it with apt-get install busybox-static"
    if warm and launcher.is_process(scan):
        commands = (warm.start, warm.ready, warm.command)
        for program in dict.fromkeys(command[0] for command in commands):
            if not shutil.which(local_command([program])[0]):
                return f"{program} not found"
    return ""
