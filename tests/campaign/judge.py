"""The one judge of every run of the campaign: what the project promises, whatever happened to the run."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.model import Outcome
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import is_whole
from tests.campaign.held import held
from tests.campaign.outcome import differences, outcomes_of
from tests.campaign.whole import half_written

if TYPE_CHECKING:
    from orchestrator.model import Ledger, Plan
    from orchestrator.volume.layout import Volume
    from tests.campaign.expected import Expected
    from tests.campaign.outcome import Outcomes


def judge(
    volume: Volume, plan: Plan, expected: Expected, undisturbed: Outcomes | None = None, *, alone: bool = True
) -> list[str]:
    """What is wrong with a run that has ended; nothing is, where the list is empty.

    Args:
        volume: where it lies.
        plan: of the run.
        expected: what the fault may have done.
        undisturbed: results of the same plan without a fault; None where its images differ from it.
        alone: whether no other run is active on the volume.
    """
    try:
        ledger = read_ledger(volume, plan.run)
    except NoResultsError as error:
        return [f"there is no ledger: {error}", *half_written(volume)]
    said = cells(plan, ledger, expected) + reports(volume, plan, ledger) + half_written(volume)
    said += held(volume, plan.run, alone=alone, remains=expected.remains)
    if not is_whole(volume.results(plan.run)):
        return [*said, "its ledger is a provisional one"]
    return said + (_differences(volume, plan.run, undisturbed) if undisturbed is not None else [])


def _differences(volume: Volume, run: str, undisturbed: Outcomes) -> list[str]:
    try:
        return differences(outcomes_of(volume, run), undisturbed)
    except Exception as error:  # noqa: BLE001 - of files that are not whole, which is said already
        return [f"its results cannot be compared: {error}"]


def cells(plan: Plan, ledger: Ledger, expected: Expected) -> list[str]:
    """Every planned cell once, in the plan's order, with an outcome and a reason that the fault explains."""
    planned, counted = [cell.id for cell in plan.cells], Counter(row.cell for row in ledger.rows)
    said = [f"{cell} is {counted[cell]} times in the ledger" for cell in planned if counted[cell] != 1]
    said += [f"{cell} is in the ledger and was never planned" for cell in counted.keys() - set(planned)]
    if said or [row.cell for row in ledger.rows] != planned:
        return said or ["the ledger has another order than the plan"]
    for cell, row in zip(plan.cells, ledger.rows, strict=True):
        said += expected.complaints(plan, cell, row)
        if (row.outcome is Outcome.OK) == bool(row.reason):
            said.append(f"{row.cell} is {row.outcome} with the reason {row.reason!r}")
        if row.outcome is not Outcome.OK and (row.report_digest or row.findings is not None):
            said.append(f"{row.cell} is {row.outcome} and has findings")
    return said


def reports(volume: Volume, plan: Plan, ledger: Ledger) -> list[str]:
    """The report of each cell that ended ok is on the volume, and the very one that was read."""
    names = {scan.name: scan.report for scan in plan.scans}
    said = []
    for row in ledger.rows:
        if row.outcome is Outcome.OK:
            path = volume.cell(plan.run, row.target, row.scan) / names[row.scan]
            digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else "none"
            said += (
                [f"{row.cell}: its report is {digest}, not {row.report_digest}"] if digest != row.report_digest else []
            )
    return said
