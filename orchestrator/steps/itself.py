"""Why the image of a cell is scanned itself, although its scan could read a stored SBOM: the note in its ledger row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.planning.sboms import NOT_STORED

if TYPE_CHECKING:
    from orchestrator.model import Plan
    from orchestrator.volume.records import Records

#: How such a note begins.
ITSELF = "the image itself was scanned: "
_UNTRIED = "the batch in which its stored SBOM was to be read did not come to it"
_UNENDED = "its stored SBOM: its scanner had not ended when its pod did, for lack of memory perhaps"


def why_itself(plan: Plan, target: str, scan: str, records: Records) -> str:
    """The note of a cell whose image is about to be scanned; empty where that is the only way.

    Args:
        plan: of the run; says why its SBOM was not to be read.
        target: id of its target.
        scan: name of its scan.
        records: of the run; say what came of it where it was.
    """
    cell = next((each for each in plan.cells_by_target.get(target, ()) if each.scan == scan), None)
    if cell is None or cell.unmatched == NOT_STORED:
        return ""
    if cell.source is None:
        return f"{ITSELF}{cell.unmatched}" if cell.unmatched else ""
    before = records.look(target, scan).record
    if before.note.startswith(ITSELF):  # of an attempt at the image
        return before.note
    if before.source is None:
        return f"{ITSELF}{_UNTRIED}"
    return f"{ITSELF}its stored SBOM: {before.error}" if before.error else f"{ITSELF}{_UNENDED}"
