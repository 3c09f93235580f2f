"""A plan as people read it: the matrix with one letter a cell, why cells do not run, and what the rest costs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from orchestrator.cli.output import LACKING, indented, names_of, print_missing
from orchestrator.cli.reason_tables import CellReason, print_reasons
from orchestrator.cli.tables import Fit, TableCell, TableColumn, print_table, print_text, room
from orchestrator.model import Decision

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.model import Cell, Plan, Target

#: The letter of a cell in the matrix, and what it means.
LETTERS: Mapping[Decision, tuple[str, str]] = {
    Decision.RUN: ("x", "runs"),
    Decision.SKIP: ("s", "skipped"),
    Decision.FAIL: ("f", "fails"),
    Decision.AWAIT: ("w", "waits for its report"),
}
#: The same of a cell that runs without its image.
_FROM_SBOM = ("b", "reads a stored SBOM")
_LEGEND = (*LETTERS.values(), _FROM_SBOM, (LACKING, "has no scanner here"))
# Cells that names of targets are given before scans get numbers.
_NAME = 30


def print_plan(plan: Plan, missing: Mapping[str, str] = MappingProxyType({})) -> None:
    """The matrix: a row per target, a column per scan, a letter for each cell, then reasons and the cost.

    Args:
        plan: to show.
        missing: why scans cannot run here, by their names: their cells are `!`.
    """
    from orchestrator.results.naming import remarks

    scans = [scan.name for scan in plan.scans]
    headings = _headings(scans)
    cells: dict[str, dict[str, Cell]] = {}
    for cell in plan.cells:
        cells.setdefault(cell.target, {})[cell.scan] = cell
    # A repository has none, nor has what is no image.
    several = len({str(target.platform) for target in plan.targets} - {""}) > 1
    columns = [
        TableColumn("Target", Fit.MIDDLE),
        *([TableColumn("Platform")] if several else []),
        *(TableColumn(heading, coloured=True) for heading in headings),
    ]
    rows: list[list[TableCell]] = [
        [
            _names(target),
            *([str(target.platform)] if several else []),
            *(_letter(cells.get(target.id, {}).get(scan), missing) for scan in scans),
        ]
        for target in plan.targets
    ]
    if headings != scans:
        print_text("Scans: " + ", ".join(f"{number} {name}" for number, name in zip(headings, scans, strict=True)))
    print_table(f"Plan {plan.run}", columns, rows)
    used = {_letter(cell, missing) for cell in plan.cells}
    if used - {LETTERS[Decision.RUN][0]}:
        print_text(", ".join(f"{letter} {meaning}" for letter, meaning in _LEGEND if letter in used))
    print_missing(missing, {cell.scan for cell in plan.cells if cell.decision is Decision.RUN})
    print_reasons("", _reasons(plan), "")
    for passed_over in dict.fromkeys(note for target in plan.targets for note in target.passed_over):
        print_text(f"passed over: {passed_over}")
    for remark in remarks({target.id: target.names for target in plan.targets}):
        print_text(f"note: {remark}")
    print_text(budget_line(plan))


def _headings(scans: Sequence[str]) -> list[str]:
    """Names of the scans, or numbers where the terminal has no room for the names."""
    width = room()
    if width is None or sum(len(name) + 2 for name in scans) + _NAME <= width:
        return list(scans)
    return [str(number) for number in range(1, len(scans) + 1)]


def _names(target: Target) -> list[str]:
    return [*names_of(name.reference for name in target.names), *indented(target.workloads)]


def _letter(cell: Cell | None, missing: Mapping[str, str]) -> str:
    if cell is None:
        return ""
    if cell.runs and cell.scan in missing:
        return LACKING
    return (_FROM_SBOM if cell.source else LETTERS[cell.decision])[0]


def _reasons(plan: Plan) -> Iterator[CellReason]:
    names = {target.id: next(iter(names_of([target.reference])), target.id) for target in plan.targets}
    for cell in plan.cells:
        why = cell.reason or (f"the image itself: {cell.unmatched}" if cell.unmatched else "")
        if why or not cell.runs:
            yield CellReason(LETTERS[cell.decision][0], why, cell.target, names[cell.target], cell.scan)


def budget_line(plan: Plan) -> str:
    """What the plan will cost the way it will run, in one sentence."""
    from orchestrator.analysis.policy.words import number
    from orchestrator.kit.quantities import spell_size

    budget, several = plan.budget, len(plan.waves)
    together = f"{budget.at_once} at a time" if budget.at_once > 1 else "one after the other"
    line = (
        f"{budget.cells} of {len(plan.cells)} cells to run on {number(budget.images, 'target')}"
        f"{f' in {several} batches, {together}' if several > 1 else ''}:"
        f" {spell_size(budget.pull_bytes)} to pull, {spell_size(budget.volume_bytes)} on the volume at most"
    )
    if budget.spec_bytes:
        line += f", {budget.pods} pods, a Workflow of {spell_size(budget.spec_bytes)}"
    if budget.matched:
        saved = f"{number(budget.saved_images, 'image')} ({spell_size(budget.saved_bytes)}) not pulled"
        saved += f", {number(budget.saved_pods, 'pod')} fewer" if budget.spec_bytes else ""
        line += f"; {number(budget.matched, 'cell')} from stored SBOMs, {saved}"
    return line + (f"; {number(budget.unknown, 'target')} of unknown size not counted" if budget.unknown else "")
