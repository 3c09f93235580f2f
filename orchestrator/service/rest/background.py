"""Runs of the local engine that this process carries: begun by a request, and continued after its answer.

An engine whose runs continue by themselves, such as Argo, needs none of this.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from orchestrator import engines
from orchestrator.api.delivering import deliver
from orchestrator.engines.interface import Silent
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.service.rest.problems import BusyError, WrongStateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine
    from orchestrator.model import Plan

_MOST = 4
_PATIENCE = 10.0
_log = logging.getLogger(__name__)


class CarriedRuns:
    """The local runs of this process, each in a thread of its own.

    Args:
        ended: called with the id of a run that has ended.
    """

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._carried: dict[str, tuple[threading.Thread, Engine]] = {}

    def run(self, plan: Plan, config: Config) -> None:
        """Begin a run, or resume one that was cut off; one that is under way is left alone.

        Raises:
            BusyError: too many are under way.
        """
        self._begin(plan.run, config, lambda engine: engine.run(plan, Silent()), again=False)

    def retry(self, run: str, config: Config) -> None:
        """Run the failed cells of a run again.

        Raises:
            BusyError: too many are under way.
            WrongStateError: this one is.
        """
        self._begin(run, config, lambda engine: engine.retry(run, Silent()), again=True)

    def _begin(self, run: str, config: Config, work: Callable[[Engine], object], *, again: bool) -> None:
        with self._lock:
            if run in self._carried:
                if again:
                    raise WrongStateError(f"run {run} is under way; cancel it first, or wait for its end")
                return
            if len(self._carried) >= _MOST:
                raise BusyError(f"{_MOST} runs are under way on this machine; try again when one has ended")
            engine = engines.make(config)
            thread = threading.Thread(target=self._carry, args=(run, config, work, engine), name=run, daemon=True)
            self._carried[run] = thread, engine
        thread.start()

    def _carry(self, run: str, config: Config, work: Callable[[Engine], object], engine: Engine) -> None:
        try:
            with guarded(f"running {run}"):
                work(engine)
                for trouble in deliver(config, run):  # exports and notifications, as the command `run` has them sent
                    _log.warning("run %s: %s", run, trouble, extra={"run": run})
        except (ScanmatrixError, OSError) as error:
            _log.warning("run %s: %s", run, error, extra={"run": run})
        finally:
            with self._lock:
                self._carried.pop(run, None)
        self._ended(run)

    def cancel(self, run: str) -> bool:
        """End a run early, and no other; whether it is one of these."""
        with self._lock:
            found = self._carried.get(run)
        if found is not None:
            found[1].interrupt()
        return found is not None

    def stop(self) -> None:
        """Have every run end early; the same submission resumes it later."""
        with self._lock:
            carried = tuple(self._carried.values())
        for _, engine in carried:
            engine.interrupt()
        for thread, _ in carried:
            thread.join(_PATIENCE)
