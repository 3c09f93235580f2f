"""What every engine offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import ScanmatrixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config
    from orchestrator.model import Cell, CellRecord, Ledger, Plan, RunStatus, Target
    from orchestrator.planning.venue import Venue


class EngineError(ScanmatrixError):
    """The run itself broke (not one of its cells): exit status 3."""


class Interrupted(EngineError):  # noqa: N818 - the name says what happened
    """The run was asked to end; what was done is kept, and the same run can be resumed."""


class NotOfferedError(UsageError):
    """This engine does not offer that call; the message says which one does."""


class Observer(Protocol):
    """Notified of what happens during a run; called from several threads, so it must be quick and safe."""

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
    """Runs plans, and knows how every run it started stands: the whole of what commands and Python ask for.

    Its creator gives it the volume on which plans and results lie. An engine that does not offer a call raises
    `NotOfferedError` there.
    """

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        """Run every pending cell, aggregate, and return the ledger. Resumes a run that was cut off.

        Raises:
            EngineError: the run itself broke; what was done is kept, the same call resumes it.
        """
        ...

    def interrupt(self) -> None:
        """Have every `run` in other threads end early, so that the same call resumes it later."""
        ...

    def submit(self, plan: Plan) -> str:
        """Start a run and return at once; a run that was started before is left alone.

        Returns:
            Name of what runs it.
        """
        ...

    def status(self, run: str) -> RunStatus:
        """How a run stands.

        Raises:
            UsageError: there is no such run.
        """
        ...

    def runs(self) -> tuple[RunStatus, ...]:
        """How every run stands that the engine knows, the newest first."""
        ...

    def follow(self, run: str) -> Iterator[RunStatus]:
        """The status of a run now, and after every change, to its end.

        Raises:
            UsageError: there is no such run.
        """
        ...

    def logs(self, run: str, target: str, scan: str) -> Iterator[str]:
        """What the scanner of a cell wrote, line by line, to its end.

        Args:
            run: id of the run.
            target: id of the target.
            scan: name of the scan.

        Raises:
            UsageError: nothing is left of it.
        """
        ...

    def retry(self, run: str, observer: Observer) -> str:
        """Run again the cells of a run that failed, and update its ledger.

        Returns:
            Name of what does it.

        Raises:
            UsageError: there is no such run, or it has not ended.
        """
        ...

    def cancel(self, run: str) -> tuple[str, ...]:
        """End a run now; what was done is kept.

        Returns:
            Names of what was stopped; none when it has ended already.

        Raises:
            UsageError: there is no such run, or it is not within reach.
        """
        ...

    def fetch(self, run: str) -> Ledger:
        """Bring the results of a run to the volume here, and return its ledger.

        Raises:
            EngineError: there are none.
        """
        ...

    def delete(self, run: str) -> tuple[str, ...]:
        """Remove what the engine itself holds of a run; its plan, reports and results stay on the volume.

        Returns:
            Names of what was removed.
        """
        ...

    def finish_left(self) -> tuple[str, ...]:
        """Finish the runs on the volume that ended without their last step: their ledgers, and what they hold.

        Never touches a run that somebody may still work on.

        Returns:
            What was done, a sentence for each run.
        """
        ...


class EngineFolder(Protocol):
    """What the package of an engine offers; `orchestrator.engines` asks for it.

    Attributes:
        remote: whether a run continues when the process that started or follows it ends.
        venue: what a plan must know of where this engine runs it.

    A package may also have `missing` and `at_hand`, as `orchestrator.engines` describes them.
    """

    remote: bool
    venue: Venue

    def make(self, config: Config, *, mounted: bool) -> Engine:
        """An engine for this configuration.

        Args:
            config: everything there is to know.
            mounted: whether `volume.path` is the cluster's own volume, so that results need not be fetched from there.
        """
        ...
