"""The loop that keeps results fresh: take what is due, run it, import its results; at most this many runs at a time.

    with BacklogStore.of(config) as store:
        Scheduler(config, store, engines.make(config)).run()

Any number of replicas may run on one store and one volume. Whatever kills one of them, at any point, its runs are
continued by another, or by itself when it is back.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.api.plan import new_run_id
from orchestrator.catalog.question import questions_of
from orchestrator.config.schedule import RESCAN_AFTER
from orchestrator.errors import ScanmatrixError, TemporaryError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.retrying import Backoff
from orchestrator.model.ages import DEFAULT
from orchestrator.scanners.rules import volume_of
from orchestrator.service.carrier import Carrier, Progress
from orchestrator.service.lookout import LOOK, Lookout
from orchestrator.service.notes import Notes
from orchestrator.service.planner import Planner
from orchestrator.store.backlog.messages import StaleRules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine
    from orchestrator.model import Scan
    from orchestrator.store.backlog.messages import Backlog, Submission
    from orchestrator.store.backlog.store import BacklogStore

_PRUNE = "prune"
_FINISH = "finish"
_QUARTER, _DAY = 900, 86400
# Seconds that runs get to wind down: a scanner's SIGTERM, its SIGKILL, and the records.
_PATIENCE = 10.0
# Seconds between two times that how fresh everything is is kept.
_KEPT = 3.0


class _Carried(NamedTuple):
    thread: threading.Thread
    progress: Progress


class Scheduler:
    """One replica.

    Args:
        config: what to keep fresh, and how.
        store: shared by all replicas.
        engine: runs plans.
        notes: told of what happens.
        holder: a name that no other replica has; made up when left out.
        keep: given how fresh everything is, once the sources were looked at, and then every few seconds.

    Raises:
        UsageError: a template has mistakes.
    """

    def __init__(
        self,
        config: Config,
        store: BacklogStore,
        engine: Engine,
        *,
        notes: Notes | None = None,
        holder: str | None = None,
        keep: Callable[[Backlog], None] | None = None,
    ) -> None:
        self.notes = notes or Notes()
        self.holder = holder or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._config = config
        self._store = store
        self._engine = engine
        self._keep = keep
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._carried: dict[str, _Carried] = {}
        self._broken: Exception | None = None
        planner = Planner(config)
        self._rules = rules_of(config, planner.catalog)
        volume = volume_of(config)
        self._carrier = Carrier(
            config, planner, store, engine, self._rules, volume=volume, notes=self.notes, stop=self._stop
        )
        self._lookout = Lookout(
            config,
            planner,
            store,
            self._rules,
            holder=self.holder,
            notes=self.notes,
            changed=self._wake.set,
            stop=self._stop,
        )

    def run(self, *, once: bool = False) -> None:
        """Keep everything fresh until told to stop.

        Args:
            once: return when nothing is due and no run is in flight.

        Raises:
            ScanmatrixError: with `once`, a source of targets cannot be read, or the store does not answer.
            PermanentError: the store refuses what it is asked, as when its tables are of a newer version.
        """
        self._store.migrate()
        threads = [self._beat]
        if once:
            self._look_once()
        else:
            threads += [self._lookout.look_for_ever, *self._lookout.watch()]
        threads += [self._keep_state] if self._keep else []
        for target in threads:
            threading.Thread(target=self._guard, args=(target,), daemon=True).start()
        try:
            self._loop(once=once)
        finally:
            self._wind_down()
        if self._broken is not None:
            raise self._broken

    def _guard(self, target: Callable[[], None]) -> None:
        """Have what nobody foresaw in a thread end all of it: better started again than working by half."""
        try:
            target()
        except Exception as error:  # noqa: BLE001 - it is raised by `run`
            self._broken = error
            self.stop()

    def stop(self) -> None:
        """End the loop; runs of the local engine end early and are resumed next time."""
        self._stop.set()
        self._wake.set()

    @property
    def in_flight(self) -> Mapping[str, int]:
        """Cells that have ended, by the runs that this replica looks after."""
        return {run: each.progress.ended for run, each in tuple(self._carried.items())}

    def _loop(self, *, once: bool) -> None:
        pace, away = Backoff(0.5, 30), Backoff(1, 60)
        while not self._stop.is_set():
            try:
                begun = self._begin()
                if once and not begun and not self._carried and self._store.is_idle():
                    return
                self._prune()
                self._finish_left()
                self.notes.mend("store")
                away.reset()
                if begun:
                    pace.reset()
                pause = pace.pause()
            except TemporaryError as error:
                pause = away.pause()
                self.notes.trouble("store", str(error), pause)
            if self._wake.wait(min(pause, 2) if once else pause):
                self._wake.clear()
                pace.reset()

    def _begin(self) -> bool:
        """Take over what nobody looks after, and begin runs while something is due and there is room."""
        schedule, begun = self._config.schedule, False
        while (submission := self._store.adopt(self.holder, lease=schedule.lease)) is not None:
            if submission.run not in self._carried:  # else it was ours all the time, and the store was away
                self.notes.tell(f"run {submission.run}: taken over")
                self._carry(submission)
            begun = True
        while not self._stop.is_set():
            submission = self._store.take(
                new_run_id(datetime.now(UTC)),
                self.holder,
                most=schedule.runs_in_flight,
                most_cells=schedule.cells_per_run,
                lease=schedule.lease,
            )
            if submission is None:
                return begun
            self._carry(submission)
            begun = True
        return begun

    def _carry(self, submission: Submission) -> None:
        progress = Progress()

        def carry() -> None:
            try:
                self._carrier.carry(submission, progress)
            finally:
                self._carried.pop(submission.run, None)
                self._wake.set()

        thread = threading.Thread(target=carry, name=submission.run, daemon=True)
        self._carried[submission.run] = _Carried(thread, progress)
        thread.start()

    def _prune(self) -> None:
        if self._store.begin_chore(_PRUNE, self.holder, lease=_DAY):
            pruned = self._store.prune(self._config.store.keep)
            counts = {name: getattr(pruned, name) for name in pruned.__struct_fields__}
            if any(counts.values()):
                self.notes.tell("pruned: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count))

    def _finish_left(self) -> None:
        """Now and then, see to runs on the volume that ended without their last step, of this store or not."""
        if self._store.begin_chore(_FINISH, self.holder, lease=_QUARTER):
            threading.Thread(target=self._finish_quietly, name=_FINISH, daemon=True).start()

    def _finish_quietly(self) -> None:
        try:
            with guarded("finishing runs that ended without their last step"):
                for done in self._engine.finish_left():
                    self.notes.tell(done)
        except (ScanmatrixError, OSError) as error:
            self.notes.tell(str(error))

    def _look_once(self) -> None:
        """Look at all sources; when a replica that was killed had been about to, as soon as its lease is over."""
        end = time.monotonic() + self._config.schedule.lease + 1
        while self._lookout.look() is None and time.monotonic() < end:
            if self._stop.wait(0.5):
                return
        self._store.renew(self.holder, LOOK, lease=0)

    def _beat(self) -> None:
        """Show the others that we live."""
        lease = self._config.schedule.lease
        while not self._stop.wait(lease / 3):
            self._try(lambda: self._store.renew(self.holder, LOOK, lease=lease))

    def _keep_state(self) -> None:
        """Tell how fresh everything is; nothing before this replica has looked, when nothing is known to be wanted."""
        while not self._stop.wait(_KEPT):
            if self._keep and self._lookout.has_looked:
                try:
                    self._keep(self._store.backlog(held=1))
                    self.notes.mend("state")
                except ScanmatrixError as error:
                    self.notes.trouble("state", str(error), _KEPT)

    def _wind_down(self) -> None:
        self._stop.set()
        self._engine.interrupt()
        end = time.monotonic() + _PATIENCE
        for carried in tuple(self._carried.values()):
            carried.thread.join(max(0.0, end - time.monotonic()))
        self._try(lambda: self._store.renew(self.holder, LOOK, lease=0))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except ScanmatrixError as error:
            self.notes.trouble("store", str(error), 0)


def rules_of(config: Config, catalog: Mapping[str, Scan] | None = None) -> StaleRules:
    """What makes a result stale, by the configuration, and by what the scans of the catalog ask."""
    schedule = config.schedule
    return StaleRules(
        ages={scan: age for scan, age in config.rescan_after.items() if scan != DEFAULT},
        default_age=config.rescan_after.get(DEFAULT, RESCAN_AFTER),
        versions=frozenset(schedule.new_versions),
        version_age=schedule.new_version_after,
        first_retry=schedule.retry.first,
        longest_retry=schedule.retry.longest,
        questions={name: questions_of(scan) for name, scan in (catalog or {}).items()},
    )
