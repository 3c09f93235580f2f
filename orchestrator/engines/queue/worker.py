"""A worker: takes cells out of the queue, one after the other, until somebody stops it or it has done its share."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.catalog.versions import version_of
from orchestrator.engines.local.launch import Launcher
from orchestrator.engines.queue.beside import BesideLauncher
from orchestrator.engines.queue.tending import Tender
from orchestrator.engines.queue.work import CellWork
from orchestrator.errors import TemporaryError, UsageError
from orchestrator.kit.retrying import Backoff
from orchestrator.kit.sources import no_such
from orchestrator.store.cell_queue.messages import QueueOffer
from orchestrator.upkeep.leftovers import clear_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.engines.queue.neighbour import Neighbour
    from orchestrator.model import Scan
    from orchestrator.queues.interface import CellQueue
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)
#: Seconds between two looks at what has to be seen to, and longest pause between two looks for a cell.
_TEND, _IDLE = 3.0, 1.0


class WorkerShare(NamedTuple):
    """What a worker does before it ends, so that a new one takes its place.

    Attributes:
        cells: number of cells; 0 for any number.
        seconds: for how long it takes cells; 0 for as long as it is let.
        once: whether it ends when no cell is left for it.
    """

    cells: int = 0
    seconds: float = 0
    once: bool = False


class Worker:
    """Takes cells and runs them.

    Args:
        config: says which scans there are, and how their scanners are started.
        queue: of the configuration.
        volume: shared with those who plan runs, and with all other workers.
        catalog: the scans there are.
        scans: names of those whose cells it takes; all that can run here without any.
        name: that no other worker has at the same time; made up when left out.
        share: what it does before it ends; without one it continues until somebody stops it.
        beside: the scanner's container in the same pod; without one, scanners are started here.
        tell: given a line for whatever happens.

    Raises:
        UsageError: there is no such scan, or its scanner cannot run here.
    """

    def __init__(
        self,
        config: Config,
        queue: CellQueue,
        volume: Volume,
        catalog: Mapping[str, Scan],
        *,
        scans: Sequence[str] = (),
        name: str = "",
        share: WorkerShare | None = None,
        beside: Neighbour | None = None,
        tell: Callable[[str], None] = lambda line: None,  # noqa: ARG005
    ) -> None:
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._config, self._queue, self._tell = config, queue, tell
        self._share = share or WorkerShare()
        self._beside = BesideLauncher(beside, volume, self.name) if beside else None
        self._scans = {
            each: version_of(catalog[each]) for each in _available(config, catalog, scans, tell, self._beside)
        }
        self._work = CellWork(config, queue, volume, self.name, tell=tell, launcher=self._beside)
        self._tender = Tender(volume, config.queue)
        self._volume = volume
        self._stop = threading.Event()
        self._next_tend = 0.0

    @property
    def scans(self) -> tuple[str, ...]:
        """Names of the scans whose cells it takes."""
        return tuple(self._scans)

    def stop(self) -> None:
        """Take no further cell, and end with the one at which it is."""
        self._stop.set()

    def interrupt(self) -> None:
        """The same at once: the cell at which it is is given back."""
        self._stop.set()
        self._work.interrupt()

    def run(self) -> int:
        """Take cells until told to stop, or its share is done; returns how many it has had.

        Raises:
            PermanentError: the database refuses what it is asked, as when its tables are of another version.
        """
        began, pace, away = time.monotonic(), Backoff(0.1, _IDLE), Backoff(0.5, 15)
        announcing = threading.Thread(target=self._announce, name="scanmatrix.announce", daemon=True)
        announcing.start()
        try:
            if self._beside:
                clear_workers(self._volume, {self.name, *(each.name for each in self._queue.workers())})
            return self._take_cells(began, pace, away)
        finally:
            self._work.end()
            self._stop.set()
            announcing.join(5)

    def _take_cells(self, began: float, pace: Backoff, away: Backoff) -> int:
        cells = 0
        while not self._stop.is_set() and not self._has_done(cells, began):
            try:
                self._tend()
                if self._beside:
                    self._beside.make_ready(lambda: "this worker ends" if self._stop.is_set() else "")
                lease = self._queue.take(self._offer(), lease=self._config.queue.lease)
                is_last = lease is None and self._share.once and not self._queue.has_open(self._offer())
                away.reset()
            except TemporaryError as error:
                pause = away.pause()
                self._tell(f"{error}; the next try follows in {pause:.0f} s")
                self._stop.wait(pause)
                self._drop()
                continue
            if is_last:
                self._next_tend = 0.0
                self._tend()
                break
            if lease is None:
                self._queue.wait(self._stop, pace.pause())
                continue
            pace.reset()
            cells += 1
            self._tell(f"run {lease.run}: {self._work.do(lease)}")
        return cells

    def _has_done(self, cells: int, began: float) -> bool:
        """Whether its share is done."""
        share = self._share
        return 0 < share.cells <= cells or 0 < share.seconds <= time.monotonic() - began

    def _offer(self) -> QueueOffer:
        return QueueOffer(self.name, self._scans, self._work.besides)

    def _tend(self) -> None:
        if time.monotonic() >= self._next_tend:
            for done in self._tender.tend(self._queue):
                self._tell(done)
            self._next_tend = time.monotonic() + _TEND

    def _drop(self) -> None:
        """A cell may have been ours before the database could say so."""
        try:
            self._queue.drop(self.name)
        except TemporaryError as error:
            _log.info("%s", error)

    def _announce(self) -> None:
        """Say that this worker is there, until somebody stops it."""
        lease, ended = self._config.queue.lease, False
        while not ended:
            if self._beside:
                self._beside.show_life()
            try:
                self._queue.announce(self._offer(), lease=lease)
            except TemporaryError as error:
                _log.info("%s", error)
            ended = self._stop.wait(lease / 3)
        try:
            self._queue.announce(self._offer(), lease=0)
        except TemporaryError as error:
            _log.info("%s", error)


def _available(
    config: Config,
    catalog: Mapping[str, Scan],
    wanted: Sequence[str],
    tell: Callable[[str], None],
    beside: Launcher | None,
) -> list[str]:
    """Names of the scans whose scanners can run here."""
    for name in wanted:
        if name not in catalog:
            raise UsageError(no_such("scan", name, catalog))
    launcher = beside or Launcher(config.local.runner, "worker", sandbox=config.local.sandbox)
    missing = {name: why for name in wanted or catalog if (why := launcher.missing(catalog[name]))}
    found = [name for name in dict.fromkeys(wanted or catalog) if name not in missing]
    if missing and (wanted or not found):
        name, why = next(iter(missing.items()))
        raise UsageError(f"this worker cannot run {name}: {why}")
    if missing:
        tell(f"cells of {', '.join(missing)} are left to others: their scanners are not here")
    if warning := launcher.warning(catalog[name] for name in found):
        tell(warning)
    return found
