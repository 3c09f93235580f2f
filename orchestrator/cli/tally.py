"""How far a run is: which cells have ended and which run now, and how long the rest may take."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from orchestrator.cli.output import names_of
from orchestrator.kit.quantities import spell_duration

if TYPE_CHECKING:
    from orchestrator.model import Cell, CellRecord, Plan, Target


def short(target: Target) -> str:
    """The name of a target; of an archive below the working directory without the way there."""
    return next(iter(names_of([target.reference])), target.id)


class RunTally:
    """The cells of a run in numbers; events come from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._ran = self._before = self._failed = self._total = 0
        self._began = time.monotonic()

    def plan(self, plan: Plan) -> None:
        """Begin."""
        with self._lock:
            self._names = {target.id: short(target) for target in plan.targets}
            self._total = plan.budget.cells or len(plan.cells)
            self._ran = self._before = self._failed = 0
            self._running.clear()
            self._began = time.monotonic()

    def name(self, cell: Cell) -> str:
        """The cell as people know it."""
        return f"{cell.scan} of {self._names.get(cell.target, cell.target)}"

    def start(self, cell: Cell) -> None:
        """Its scanner is about to start."""
        with self._lock:
            self._running[cell.id] = self.name(cell), time.monotonic()

    def end(self, cell: Cell, record: CellRecord) -> bool:
        """It has ended; False where it ended well before this command began."""
        with self._lock:
            began = self._running.pop(cell.id, None) is not None
            self._ran += began
            self._before += not began
            self._failed += bool(record.error)
            return began or bool(record.error)

    @property
    def ended(self) -> int:
        """Cells that have ended."""
        return self._ran + self._before

    @property
    def total(self) -> int:
        """Cells of the plan that run."""
        return self._total

    def running(self) -> list[tuple[str, float]]:
        """The cells that run now with their seconds, the longest first."""
        now = time.monotonic()
        with self._lock:
            return [(name, now - since) for name, since in self._running.values()]

    def left(self) -> float | None:
        """Seconds that the rest may take, if cells end as often as they did so far; None while nobody can say."""
        with self._lock:
            if not self._ran or self.ended >= self._total:
                return None
            return (time.monotonic() - self._began) * (self._total - self.ended) / self._ran

    def summary(self) -> str:
        """All of it in one line."""
        running, left = self.running(), self.left()
        words = [f"{self.ended} of {self._total} cells ended"]
        words += [f"{self._before} of them before"] if self._before and self._ran else []
        words += [f"{self._failed} failed"] if self._failed else []
        if running:
            words.append(f"{len(running)} running, the longest for {spell_duration(running[0][1])} ({running[0][0]})")
        words += [f"about {spell_duration(left)} left"] if left is not None else []
        return ", ".join(words)
