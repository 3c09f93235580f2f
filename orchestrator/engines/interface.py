"""What every engine offers."""

from typing import Protocol

from orchestrator.errors import ScanmatrixError
from orchestrator.model import Cell, CellRecord, Ledger, Plan, Target
from orchestrator.volume.layout import Volume


class EngineError(ScanmatrixError):
    """The run itself broke (not one of its cells): exit status 3."""


class Observer(Protocol):
    """Told of what happens while a run goes on; called from several threads, so it must be quick and safe."""

    def plan_started(self, plan: Plan) -> None:
        """The run begins; every cell of the plan is pending."""

    def pull_started(self, target: Target) -> None:
        """The image's tarball is being made sure of."""

    def pull_progress(self, target: Target, bytes_done: int, bytes_total: int | None) -> None:
        """Bytes of the image that are on the volume so far."""

    def pull_finished(self, target: Target, error: str) -> None:
        """The image is there, or `error` says why not."""

    def cell_started(self, cell: Cell) -> None:
        """The cell's scanner is about to start."""

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        """The cell's last attempt ended."""


class Silent:
    """An observer that lets everything pass; a base for those that look at some of it."""

    def plan_started(self, plan: Plan) -> None:
        """Nothing."""

    def pull_started(self, target: Target) -> None:
        """Nothing."""

    def pull_progress(self, target: Target, bytes_done: int, bytes_total: int | None) -> None:
        """Nothing."""

    def pull_finished(self, target: Target, error: str) -> None:
        """Nothing."""

    def cell_started(self, cell: Cell) -> None:
        """Nothing."""

    def cell_finished(self, cell: Cell, record: CellRecord) -> None:
        """Nothing."""


class Engine(Protocol):
    """Runs a plan to its ledger."""

    def run(self, plan: Plan, volume: Volume, observer: Observer) -> Ledger:
        """Run every pending cell, aggregate, and return the ledger. Resumes a run that was cut off.

        Raises:
            EngineError: the run itself broke; what was done is kept, the same call resumes it.
        """
        ...

    def interrupt(self) -> None:
        """Have every `run` that goes on in other threads end early, so that the same call resumes it later."""
        ...
