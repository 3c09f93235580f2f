"""Carries one run from its cells to its results in the store; after a kill, the next process continues where it was.

plan on the volume?     no: plan, write
ledger on the volume?   no: have the engine run the plan, which resumes what was begun
import                  once more changes nothing
settle                  the run gives its place back, and its cells are due again when the rules say
deliver                 exports and notifications; what was sent is not sent again
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.api.delivering import deliver
from orchestrator.engines.interface import EngineError, Interrupted, Silent
from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError
from orchestrator.kit.retrying import Backoff
from orchestrator.model import Outcome
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import is_whole
from orchestrator.steps.aggregate import aggregate
from orchestrator.store.backlog.messages import COLLECTING, PLANNING, RUNNING
from orchestrator.upkeep.plans import read_plan, write_plan

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine
    from orchestrator.model import Cell, CellRecord, Plan
    from orchestrator.service.notes import Notes
    from orchestrator.service.planner import Planner
    from orchestrator.store.backlog.messages import StaleRules, Submission
    from orchestrator.store.backlog.store import BacklogStore
    from orchestrator.volume.layout import Volume

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
        stop: ends it; what is not done is left for the next one.
    """

    def __init__(
        self,
        config: Config,
        planner: Planner,
        store: BacklogStore,
        engine: Engine,
        rules: StaleRules,
        *,
        volume: Volume,
        notes: Notes,
        stop: threading.Event,
    ) -> None:
        self._config = config
        self._planner = planner
        self._store = store
        self._engine = engine
        self._rules = rules
        self._volume = volume
        self._notes = notes
        self._stop = stop

    def carry(self, submission: Submission, progress: Progress) -> None:
        """Carry a run to its end, however often something on the way is away; returns early when told to stop."""
        pace, attempts, trouble = Backoff(1, 120), submission.attempts, ""
        while not self._stop.is_set():
            try:
                self._carry(submission, progress, partial(self._note, submission, attempts, trouble))
            except Interrupted:
                if not self._stop.is_set():  # somebody cancelled this run alone
                    self._refuse(submission, "the run was cancelled")
                return
            except TemporaryError as error:
                failure: Exception = error
            except PermanentError as error:
                self._refuse(submission, str(error))
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the run must not be stuck in its place forever
                if not isinstance(error, EngineError):
                    _log.exception("run %s", submission.run)
                failure, attempts = error, attempts + 1
                if attempts >= _ATTEMPTS:
                    self._refuse(submission, f"given up after {attempts} attempts: {error}")
                    return
            else:
                self._notes.mend(submission.run)
                return
            trouble = str(failure)
            self._notes.wait_out(submission.run, failure, pace, self._stop)

    def _carry(self, submission: Submission, progress: Progress, note: Callable[[str], None]) -> None:
        run = submission.run
        note(PLANNING)
        plan = self._plan(submission)
        if is_whole(self._volume.results(run)):
            ledger = read_ledger(self._volume, run)
        else:
            note(RUNNING)
            # Where there is nothing to run, as when a registry is away, no engine is needed to say so.
            runs = plan.budget.cells
            ledger = self._engine.run(plan, progress) if runs else aggregate(plan, self._volume)
        note(COLLECTING)
        self._store.take_in(self._volume, run)
        self._store.settle(submission, self._rules)
        counts = ", ".join(f"{count} {outcome}" for outcome in sorted(Outcome) if (count := ledger.count(outcome)))
        self._notes.tell(f"run {run}: {counts}")
        # Last: the run has given its place back, so that a receiver that hangs holds up nothing but this thread.
        for trouble in deliver(self._config, run):
            self._notes.tell(f"run {run}: {trouble}")

    def _note(self, submission: Submission, attempts: int, trouble: str, stage: str) -> None:
        """Write down how far it is, and why it did not get on the last time."""
        self._store.note(submission, stage, trouble=trouble, attempts=attempts)

    def _plan(self, submission: Submission) -> Plan:
        """The run's plan; made when there is none yet."""
        if self._volume.plan(submission.run).exists():
            return read_plan(submission.run, self._volume)
        plan = self._planner.plan(submission, datetime.now(UTC))
        write_plan(plan, self._volume)
        budget = plan.budget
        self._notes.tell(f"run {plan.run}: {budget.cells} of {len(plan.cells)} cells to run on {budget.images} targets")
        return plan

    def _refuse(self, submission: Submission, reason: str) -> None:
        self._notes.tell(f"run {submission.run}: {reason}")
        self._notes.mend(submission.run)
        pace = Backoff(1, 60)
        while not self._stop.is_set():
            try:
                self._store.refuse(submission, reason, self._rules)
            except ScanmatrixError as error:
                self._notes.wait_out("store", error, pace, self._stop)
            else:
                self._notes.mend("store")
                return
