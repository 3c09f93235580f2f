"""Scanners as workers run them: by a server that stays running where the scan's template has one."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.argo.supervisor import PROGRAM_NAME
from orchestrator.catalog.versions import version_of
from orchestrator.engines.local.confine import bound_of_cell
from orchestrator.engines.local.process import Ended
from orchestrator.engines.local.scanners import Scanners
from orchestrator.engines.queue.warm_server import ServerKey, WarmServer, why_cold
from orchestrator.kit.removal import remove_quietly
from orchestrator.volume.locks import LockedError, held

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.engines.local.launch import Launcher
    from orchestrator.engines.local.scanners import CellInputs
    from orchestrator.model import Limits, Scan
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)
#: In the folder of a server, held for as long as the worker that it belongs to is there.
_LOCK = ".lock"
#: Servers that may end over one image.
_TRIES = 2
#: What the ledger says of a cell that was read without the server that its template has.
COLD = "no server"


class WarmServers:
    """The servers of one worker, at most one for each scan.

    Args:
        volume: shared with who plans runs.
        worker: name of the worker.
        tell: given a line where a scan has to do without its server.
    """

    def __init__(self, volume: Volume, worker: str, tell: Callable[[str], None]) -> None:
        self._volume, self._worker, self._tell = volume, worker, tell
        self._servers: dict[str, WarmServer] = {}
        self._cold: dict[ServerKey, str] = {}
        self._home: Path | None = None
        self._lock = ExitStack()

    def find(self, scan: Scan, key: ServerKey, launcher: Launcher, stopped: Callable[[], str]) -> WarmServer | str:
        """The server for a cell, started where there is none; else why there can be none.

        Args:
            scan: of the cell.
            key: what the server has to be for.
            launcher: starts it.
            stopped: a reason not to wait for it any longer.
        """
        server = self._servers.get(scan.name)
        if server and server.key == key and server.is_there:
            return server
        self._end(scan.name)
        why = self._cold.get(key) or why_cold(scan, launcher)
        if not why:
            server = WarmServer(scan, key, launcher, self._folder(scan.name), _program())
            self._servers[scan.name] = server
            why = server.start(stopped)
            if not why:
                return server
            self._end(scan.name)
        if not stopped() and key not in self._cold:
            self._cold[key] = why
            self._tell(f"images are read by {scan.name} without its server: {why}")
        return why

    def end(self) -> None:
        """End all of them."""
        for name in tuple(self._servers):
            self._end(name)
        if self._home is not None:
            remove_quietly(self._home)
        self._lock.close()

    def _end(self, name: str) -> None:
        if (server := self._servers.pop(name, None)) is not None:
            server.end()

    def _folder(self, scan: str) -> Path:
        """A folder of a server's own, within the one of this worker."""
        if self._home is None:
            self._home = self._make_home()
        folder = self._home / f"{scan}-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        return folder

    def _make_home(self) -> Path:
        """A folder that is ours for as long as its lock is held; those of workers that were killed go."""
        servers = self._volume.servers
        for left in servers.glob("[!.]*"):
            with suppress(LockedError, OSError), held(left / _LOCK, patience=0):
                remove_quietly(left)
        unfinished = servers / f".{secrets.token_hex(8)}"  # nobody else removes it before it is locked
        unfinished.mkdir(mode=0o700, parents=True)
        self._lock.enter_context(held(unfinished / _LOCK, required=False))
        return unfinished.rename(servers / f"{self._worker[:80]}-{secrets.token_hex(4)}")


class WarmScanners(Scanners):
    """Runs scans of cells, those with a server by that.

    Args:
        launcher: see `Scanners`.
        limits: of the plan.
        servers: of the worker.
    """

    def __init__(self, launcher: Launcher, limits: Limits, servers: WarmServers) -> None:
        super().__init__(launcher, limits)
        self._servers, self._bounds = servers, limits

    def run(self, scan: Scan, attempt: CellInputs, stopped: Callable[[], str]) -> Ended:
        """Run a scan once; see `Scanners.run`."""
        if scan.warm is None or attempt.sbom or attempt.target.is_repository:
            return super().run(scan, attempt, stopped)
        key = ServerKey(version_of(scan), attempt.database, bound_of_cell(scan, self._bounds))
        why = ""
        for _ in range(_TRIES):
            server = self._servers.find(scan, key, self.launcher, stopped)
            if reason := stopped():
                return Ended(error=reason)
            if isinstance(server, str):
                ended = super().run(scan, attempt, stopped)
                return replace(ended, isolation=f"{ended.isolation}, {COLD}: {server}" if ended.isolation else "")
            if (ended_warm := server.run(attempt, stopped)) is not None:
                return ended_warm
            why = server.why_ended()
            _log.info("the server of %s ended while an image was read: %s", scan.name, why)
        return Ended(error=f"its server ended while this image was read, {_TRIES} times: {why}")


def _program() -> Path:
    return Path(os.path.realpath(shutil.which(PROGRAM_NAME) or PROGRAM_NAME))
