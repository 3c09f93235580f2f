"""A third engine, for tests: this folder is all that it takes. Its runs are only written down, each cell ends well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.engines.interface import Silent
from orchestrator.errors import UsageError
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.model import CellState, CellStatus, Decision, RunStatus
from orchestrator.planning.venue import HERE, Venue
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER
from orchestrator.scanners.rules import volume_of
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.plans import write_plan
from tests.aggregation import put_record, put_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Plan
    from orchestrator.volume.layout import Volume

remote = True
REPORT = encode_report("paper", "1", [])
#: What this engine holds: its runs by their ids, as a cluster would.
HELD: dict[str, Plan] = {}
CANCELLED: set[str] = set()


def _on_paper(plan: Plan) -> Plan:
    """Ink cannot be written about: its cells fail."""
    inky = {target.id for target in plan.targets if "ink" in target.reference}
    cells = (
        msgspec.structs.replace(cell, decision=Decision.FAIL, reason="paper takes no ink")
        if cell.target in inky
        else cell
        for cell in plan.cells
    )
    return msgspec.structs.replace(plan, cells=tuple(cells))


venue = Venue(in_cluster=False, fit=_on_paper, hosts=HERE.hosts)


def make(config: Config, *, mounted: bool) -> PaperEngine:
    """See `EngineFolder`."""
    return PaperEngine(volume_of(config))


class PaperEngine:
    """See `Engine`."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        self.submit(plan)
        observer.plan_started(plan)
        for cell in plan.cells:
            if cell.decision is Decision.RUN:
                observer.cell_started(cell)
                put_report(self._volume, plan, cell.target, cell.scan, REPORT)
                put_record(self._volume, plan, cell.target, cell.scan)
        return aggregate(plan, self._volume)

    def interrupt(self) -> None:
        """Nothing runs longer than a moment."""

    def submit(self, plan: Plan) -> str:
        write_plan(plan, self._volume)
        HELD[plan.run] = plan
        return f"page of {plan.run}"

    def status(self, run: str) -> RunStatus:
        plan = self._held(run)
        done = (self._volume.results(run) / LEDGER).exists()
        state = CellState.OK if done else CellState.WAITING
        cells = tuple(
            CellStatus(
                target=cell.target, scan=cell.scan, reference=plan.targets_by_id[cell.target].reference, state=state
            )
            for cell in plan.cells
        )
        known = "succeeded" if done else "cancelled" if run in CANCELLED else "pending"
        return RunStatus(run=run, state=known, cells=cells)

    def runs(self) -> tuple[RunStatus, ...]:
        return tuple(self.status(run) for run in reversed(HELD))

    def follow(self, run: str) -> Iterator[RunStatus]:
        while not (now := self.status(run)).ended:
            yield now
            self.run(self._held(run), Silent())
        yield now

    def logs(self, run: str, target: str, scan: str) -> Iterator[str]:
        yield f"{scan} looked at {self._held(run).targets_by_id[target].reference}"

    def retry(self, run: str, observer: Observer) -> str:
        self.run(self._held(run), observer)
        return f"second page of {run}"

    def cancel(self, run: str) -> tuple[str, ...]:
        self._held(run)
        CANCELLED.add(run)
        return (f"page of {run}",)

    def fetch(self, run: str) -> Ledger:
        return read_ledger(self._volume, self._held(run).run)

    def delete(self, run: str) -> tuple[str, ...]:
        del HELD[self._held(run).run]
        return (f"page of {run}",)

    def finish_left(self) -> tuple[str, ...]:
        return ()

    def _held(self, run: str) -> Plan:
        if run not in HELD:
            raise UsageError(f"there is no run {run!r} on paper")
        return HELD[run]
