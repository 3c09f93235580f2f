"""Carries one run from its cells to its results in the store; whoever comes after a kill goes on where it was.

plan on the volume?     no: plan, write
ledger on the volume?   no: have the engine run the plan, which resumes what was begun
take in                 once more changes nothing
settle                  the run gives its place back, and its cells are due again when the rules say
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.engines.interface import EngineError, Silent
from orchestrator.engines.local import Interrupted
from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError
from orchestrator.results.ledger import LEDGER, read_ledger
from orchestrator.results.store.backlog.interface import COLLECTING, PLANNING, RUNNING
from orchestrator.service.pace import Pace
from orchestrator.steps.aggregate import aggregate
from orchestrator.steps.items import fit_for_cluster
from orchestrator.steps.plan import read_plan, write_plan

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from orchestrator.config import Config
    from orchestrator.engines.interface import Engine
    from orchestrator.model import Cell, CellRecord, Plan
    from orchestrator.results.store.backlog.interface import Rules, Submission
    from orchestrator.results.store.backlog.store import BacklogStore
    from orchestrator.service.notes import Notes
    from orchestrator.service.planner import Planner
    from orchestrator.volume import Volume

_log = logging.getLogger(__name__)

#: How often an engine may break before the run is given up.
_ATTEMPTS = 3


class Progress(Silent):
    """Counts the cells of a run that have ended."""

    def __init__(self) -> None:
        self.ended = 0

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:  # noqa: ARG002 - as the base class has it
        """Count it."""
        self.ended += 1


class Carrier:
    """Carries runs, each call in a thread of its own.

    Args:
        config: names the engine.
        planner: makes plans.
        store: takes the results.
        engine: runs plans.
        rules: what makes a result stale.
        volume: where plans and results lie.
        notes: told of what happens.
        stop: ends it; what is not done is left for whoever comes next.
    """

    def __init__(
        self,
        config: Config,
        planner: Planner,
        store: BacklogStore,
        engine: Engine,
        rules: Rules,
        *,
        volume: Volume,
        notes: Notes,
        stop: threading.Event,
    ) -> None:
        self._in_cluster = config.engine == "argo"
        self._planner = planner
        self._store = store
        self._engine = engine
        self._rules = rules
        self._volume = volume
        self._notes = notes
        self._stop = stop

    def carry(self, submission: Submission, progress: Progress) -> None:
        """Carry a run to its end, however often something on the way is away; returns early when told to stop."""
        pace, attempts = Pace(1, 120), submission.attempts
        while not self._stop.is_set():
            try:
                self._carry(submission, attempts, progress)
            except Interrupted:
                return
            except TemporaryError as error:
                trouble: Exception = error
            except PermanentError as error:
                self._refuse(submission, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the run must not be stuck in its place for ever
                if not isinstance(error, EngineError):
                    _log.exception("run %s", submission.run)
                trouble, attempts = error, attempts + 1
                if attempts >= _ATTEMPTS:
                    self._refuse(submission, f"given up after {attempts} attempts: {error}")
                    return
            else:
                self._notes.mend(submission.run)
                return
            pause = pace.pause()
            self._notes.trouble(submission.run, str(trouble), pause)
            self._stop.wait(pause)

    def _carry(self, submission: Submission, attempts: int, progress: Progress) -> None:
        run = submission.run
        self._store.note(submission, PLANNING, attempts=attempts)
        plan = self._plan(submission)
        if not (self._volume.results(run) / LEDGER).exists():
            self._store.note(submission, RUNNING, attempts=attempts)
            if plan.budget.cells:
                self._engine.run(plan, self._volume, progress)
            else:
                # Nothing to run, as when a registry is away: no engine is needed to say so.
                aggregate(plan, self._volume)
        self._store.note(submission, COLLECTING, attempts=attempts)
        self._store.take_in(self._volume, run)
        self._store.settle(submission, self._rules)
        ledger = read_ledger(self._volume, run)
        outcomes = [row.outcome.value for row in ledger.rows]
        counts = ", ".join(f"{outcomes.count(each)} {each}" for each in sorted(set(outcomes)))
        self._notes.tell(f"run {run}: {counts}")

    def _plan(self, submission: Submission) -> Plan:
        """The run's plan; made when there is none yet."""
        if self._volume.plan(submission.run).exists():
            return read_plan(submission.run, self._volume)
        plan = self._planner.plan(submission, datetime.now(UTC))
        plan = fit_for_cluster(plan) if self._in_cluster else plan
        write_plan(plan, self._volume)
        budget = plan.budget
        self._notes.tell(f"run {plan.run}: {budget.cells} of {len(plan.cells)} cells to run on {budget.images} targets")
        return plan

    def _refuse(self, submission: Submission, reason: str) -> None:
        self._notes.tell(f"run {submission.run}: {reason}")
        self._notes.mend(submission.run)
        self._until_done("store", lambda: self._store.refuse(submission, reason, self._rules))

    def _until_done(self, what: str, action: Callable[[], None]) -> None:
        pace = Pace(1, 60)
        while not self._stop.is_set():
            try:
                action()
            except ScanmatrixError as error:
                pause = pace.pause()
                self._notes.trouble(what, str(error), pause)
                self._stop.wait(pause)
            else:
                self._notes.mend(what)
                return
