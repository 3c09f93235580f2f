"""The end of a run: every cell of the plan accounted for, and all results written.

The ledger is built from the plan, not from what happens to lie on the volume or from what an engine believes: a cell
that nobody ran is in it as failed. The same plan and the same files give the same results, byte for byte; every file
appears whole or not at all, the ledger last. What nobody foresaw fails the cell or the target it happens to; where it
happens to the whole run, there is a ledger all the same. Where there is none yet, one is written first, alone, by the
records of the cells: it stands if what follows is ended from outside, as by the kernel when memory runs out.

Reports are read one at a time, and what is held of a target is limited (`orchestrator.results.costs`), so memory does
not grow with the run.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, nullcontext, suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import ScanmatrixError, VolumeFullError
from orchestrator.kit.advice import ours, resuming
from orchestrator.kit.collecting import seldom_collected
from orchestrator.kit.guarding import guarded
from orchestrator.kit.removal import remove_quietly
from orchestrator.results.bom import BOM
from orchestrator.results.coverage import coverage_in
from orchestrator.results.naming import remarks
from orchestrator.results.run import RunResults
from orchestrator.steps.account import LATER, SHEETS, TABLES, NotOnVolume, account, ledger_of, write_ledger
from orchestrator.steps.attempt import attempt
from orchestrator.upkeep.leftovers import clear_unfinished
from orchestrator.upkeep.room import FULL, clear, spend
from orchestrator.volume.kept import remove_unused
from orchestrator.volume.layout import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.model import Ledger, LedgerRow, MergedFinding, Plan
    from orchestrator.results.cells import ReadReport
    from orchestrator.steps.aggregation import Aggregation
    from orchestrator.volume.layout import Volume

_UNREAD = (
    "its report was not read: the results of the run are being put together, or that was ended before it was done, for "
    "lack of memory perhaps; then {} or, in a cluster, {} does it again"
)


class Aggregated(NamedTuple):
    """What aggregating came to.

    Attributes:
        ledger: with the verdict of the plan's policy.
        merged: of results that were put the merged findings, in the order of their table, unless they are many.
    """

    ledger: Ledger
    merged: Sequence[MergedFinding] | None


def aggregate(
    plan: Plan,
    volume: Volume,
    *,
    notes: Sequence[str] = (),
    unrecorded: Mapping[tuple[str, str], str] | None = None,
) -> Ledger:
    """Read what the cells of a run left on the volume, and write the run's results beside it.

    Writes `findings.*` (as the scanners reported them), `merged.*` (what all of them found, together, suppressed and
    judged), `bom.cdx.json`, `report.html`, `summary.md` and, last, `ledger.json` into the run's results folder; what an
    earlier call wrote there is replaced. Trouble with a cell is that cell's outcome.

    Args:
        plan: the plan of the whole run.
        volume: where the run lies.
        notes: what else a reader of the summary should know, a sentence each.
        unrecorded: why cells failed whose records could not be written, by target id and scan.

    Returns:
        The ledger, with the verdict of the plan's policy.

    Raises:
        VolumeFullError: the volume is full, even without the run's tarballs and all that is only a cache.
        OSError: the volume cannot be written.
    """
    return _aggregate_any(plan, volume, NotOnVolume(notes, unrecorded or {}), whole=True).ledger


def aggregate_put(plan: Plan, volume: Volume, reports: Mapping[tuple[str, str], ReadReport]) -> Aggregated:
    """The same for results that were put; BOM, `report.html` and CSV wait for who asks (`orchestrator.api.files`).

    Args:
        plan: of what was put.
        volume: where its report lies.
        reports: those on the volume, as they were read, by target id and scan; they are used up.

    Raises:
        VolumeFullError, OSError: as for `aggregate`.
    """
    return _aggregate_any(plan, volume, NotOnVolume((), {}, reports), whole=False)


def _aggregate_any(plan: Plan, volume: Volume, told: NotOnVolume, *, whole: bool) -> Aggregated:
    if whole:  # a result that is put has no room kept for it, and no earlier call has left anything
        spend(plan.run, volume)
        upkeep = tidied(f"removing unfinished files of run {plan.run}", clear_unfinished, plan.run, volume)
        upkeep += tidied("removing copies that nobody uses", remove_unused, volume.kept)
        told = told._replace(notes=(*told.notes, *upkeep))
    folder = volume.results(plan.run)
    folder.mkdir(parents=True, exist_ok=True)
    # What is put is no run before it is whole: nobody continues it, it is put again.
    with attempt(folder) if whole else nullcontext(False) as lacks_ledger:
        if lacks_ledger:
            with suppress(ScanmatrixError, OSError), guarded(f"accounting for run {plan.run}"):
                account(plan, volume, _unread(plan.run), told, read=False)
        try:
            with guarded(f"aggregating run {plan.run}"):
                return _with_room(plan, volume, told, whole=whole)
        except VolumeFullError:
            raise
        except ScanmatrixError as error:
            return Aggregated(account(plan, volume, str(error), told), None)


def tidied(what: str, remove: Callable[..., object], *arguments: object) -> list[str]:
    """Remove what is in the way of nothing but room; where that fails, a note instead of a run without a ledger."""
    try:
        with guarded(what):
            remove(*arguments)
    except (ScanmatrixError, OSError) as error:
        return [f"{what}: {error}"]
    return []


def _with_room(plan: Plan, volume: Volume, told: NotOnVolume, *, whole: bool) -> Aggregated:
    """Aggregate, and once more without what can be spared when the volume is full."""
    try:
        return _aggregate(plan, volume, told, whole=whole)
    except OSError as error:
        if error.errno not in FULL:
            raise
    clear(plan, volume)
    try:
        return _aggregate(plan, volume, told._replace(reports={}), whole=whole)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise VolumeFullError(
            f"{volume.results(plan.run)}: no space left for the results, even without the run's tarballs; "
            f"make room on the volume, then {resuming(plan.run)} or, in a cluster, {ours('retry', plan.run)}"
        ) from error


def _aggregate(plan: Plan, volume: Volume, told: NotOnVolume, *, whole: bool) -> Aggregated:
    """One try, from the plan to the ledger."""
    with seldom_collected() if whole else nullcontext():
        folder = volume.results(plan.run)
        ledger, seen, notes = _write_tables(plan, volume, told, bom=folder / BOM if whole else None)
        if whole:
            notes += _write_report(RunResults(volume, plan.run, ledger), folder / "report.html")
        else:
            for name in LATER:
                remove_quietly(folder / name)  # one of an earlier call would be about other results
        write_ledger(volume, ledger, seen.severities, notes)
    return Aggregated(ledger, seen.merged)


def _write_tables(
    plan: Plan, volume: Volume, told: NotOnVolume, *, bom: Path | None
) -> tuple[Ledger, Aggregation, list[str]]:
    """Write the tables, and the BOM if any; gives the ledger, what was seen, what the summary's reader should know."""
    # Here, because it takes half a second to import, which those that only name this function need not wait for.
    from orchestrator.analysis.pipeline import Pipeline  # noqa: PLC0415
    from orchestrator.results.bom.whole import BomWriter  # noqa: PLC0415
    from orchestrator.results.tables.writing import FindingsWriter, MergedWriter  # noqa: PLC0415
    from orchestrator.steps.aggregation import Aggregation, OutputFiles  # noqa: PLC0415
    from orchestrator.steps.sboms import store_sboms  # noqa: PLC0415

    folder = volume.results(plan.run)
    with ExitStack() as stack:
        # The folder is made durable when the summary is written, which is before the ledger.
        parquet, merged_parquet = (stack.enter_context(atomic_file(folder / name, last=False)) for name in TABLES)
        sheets = [stack.enter_context(atomic_file(folder / name, last=False)) for name in SHEETS if bom is not None]
        csv, merged_csv = sheets or (None, None)
        table = stack.enter_context(FindingsWriter(plan.run, parquet, csv))
        merged = stack.enter_context(MergedWriter(plan.run, merged_parquet, merged_csv))
        writer = None
        if bom is not None:
            file = stack.enter_context(atomic_file(bom, last=False))
            writer = stack.enter_context(BomWriter(plan.run, plan.version, file, folder))
        pipeline = stack.enter_context(Pipeline(plan, volume))
        aggregation = Aggregation(plan, volume, OutputFiles(table, merged, writer), pipeline, told, keep=bom is None)
        rows = aggregation.examine_all()
        ledger = ledger_of(plan, rows, pipeline.verdict(rows))
        merged.rest_on(coverage_in(ledger.rows))
        if writer is not None:
            writer.finish(ledger.finished)
    stored = store_sboms(plan, rows, volume)
    notes = [
        *told.notes,
        *stored,
        *remarks(ledger.names),
        *pipeline.notes(),
        *_stale_databases(rows),
        *aggregation.notes,
    ]
    return ledger, aggregation, notes


def _write_report(results: RunResults, path: Path) -> list[str]:
    """Write the HTML report; one that cannot be made does not cost the ledger, but a full volume is said to be that."""
    from orchestrator.exports.html import write_report  # noqa: PLC0415 - as above

    try:
        with guarded(f"making the HTML report of run {results.run}"), atomic_file(path) as file:
            write_report(results, file)
    except (ScanmatrixError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        remove_quietly(path)  # one of an earlier call would be about other results
        return [f"the HTML report could not be made: {error}"]
    return []


def _stale_databases(rows: Sequence[LedgerRow]) -> list[str]:
    """What the rows note, once for each scan."""
    noted = Counter((row.scan, row.note) for row in rows if row.note)
    return [f"{scan}: {note} ({count} cell{'s' if count > 1 else ''})" for (scan, note), count in noted.items()]


def _unread(run: str) -> str:
    return _UNREAD.format(resuming(run), ours("retry", run))
