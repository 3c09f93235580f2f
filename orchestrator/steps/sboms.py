"""The reports of a run that are SBOMs for other scans: stored when the run ends, and old ones removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import ScanmatrixError
from orchestrator.findings.reading import read_report
from orchestrator.findings.stored import Cataloguing, read_catalogued, to_store
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.volume.sboms import keep_sbom, prune_sboms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.model import LedgerRow, Plan, SbomStorage, Scan
    from orchestrator.volume.layout import Volume

#: Images that a note names.
_SHOWN = 5


def store_sboms(plan: Plan, rows: Iterable[LedgerRow], volume: Volume) -> list[str]:
    """Store the SBOMs that cells of a run made, then remove those that nobody reads; where that fails, notes.

    Args:
        plan: of the run; says whether any are stored.
        rows: of its ledger; only what ended well, and is believed, is stored.
        volume: where they are stored.

    Returns:
        What a reader of the summary should know, a sentence each.
    """
    if plan.sboms is None:
        return []
    scans = {scan.name: scan for scan in plan.scans if scan.stored}
    made = [row for row in rows if row.scan in scans and row.holds and row.digest]
    wrong = [why for row in made if (why := _store(plan, row, scans[row.scan], volume))]
    notes = wrong[:_SHOWN] + ([f"{len(wrong) - _SHOWN} more SBOMs could not be stored"] if len(wrong) > _SHOWN else [])
    return [*notes, *_prune(plan.sboms, volume)]


def _store(plan: Plan, row: LedgerRow, scan: Scan, volume: Volume) -> str:
    """Store one; why that could not be done, otherwise."""
    try:
        with guarded(f"storing the SBOM of {row.references[0] if row.references else row.digest}"):
            folder = volume.cell(plan.run, row.target, row.scan)
            data = read_report(folder / scan.report, scan.report_limit, root=folder)
            found = read_catalogued(scan.format, data, image=row.digest)
            of = Cataloguing(row.digest, row.asked, row.finished, plan.run)
            keep_sbom(volume, *to_store(scan, found, data, of))
    except (ScanmatrixError, OSError) as error:
        return f"the SBOM of {row.cell} could not be stored: {in_words(error)}"
    return ""


def _prune(storage: SbomStorage, volume: Volume) -> Iterator[str]:
    try:
        with guarded("removing stored SBOMs that nobody reads"):
            prune_sboms(volume, unused_after=storage.unused_after, budget=storage.budget)
    except (ScanmatrixError, OSError) as error:
        yield f"stored SBOMs that nobody reads could not be removed: {in_words(error)}"
