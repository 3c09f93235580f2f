"""The reports of cells, read by the formats of their scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.findings import formats
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.reading import read_report
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.results.cell_paths import within_cell
from orchestrator.volume.layout import cell_path

if TYPE_CHECKING:
    from orchestrator.model import Cell, Scan
    from orchestrator.volume.layout import Volume

#: Most findings accepted of one report; far above any real image's, and what memory is planned for.
MOST_FINDINGS = 200_000


def parse_report(format_name: str, data: bytes) -> Report:
    """Read a report by the name of its format.

    Raises:
        ReportError: there is no such format, or the report cannot be believed; also where the parser itself fails on
            it, so that a report made to break it costs its own cell and no other.
    """
    parser = formats().get(format_name)
    if parser is None:
        raise ReportError(f"its scan has the report format {format_name!r}; known are {', '.join(sorted(formats()))}")
    try:
        with guarded(f"parsing a {format_name} report"):
            report = parser.parse(data)
    except InternalError as error:
        raise ReportError(str(error)) from error
    if len(report.findings) > MOST_FINDINGS:
        raise ReportError(f"the report has {len(report.findings):,} findings; at most {MOST_FINDINGS:,} are accepted")
    return report


def standing(cell: Cell, scan: Scan, volume: Volume) -> Report | None:
    """What an earlier run found in a cell that this plan skipped because that result is still fresh.

    Args:
        cell: the cell; its `standing` names the run.
        scan: its scan.
        volume: where the earlier run lies.

    Returns:
        The report; None when it is not there any more, or cannot be read as the scan's format is now.
    """
    try:
        with guarded(f"reading what {cell.scan} found in {cell.target} in run {cell.standing}"):
            folder = volume.cell(cell.standing, cell.target, cell.scan)
            report = parse_report(scan.format, read_report(folder / scan.report, scan.report_limit, root=folder))
            return read_within(cell.standing, cell, scan, report)
    except (PermanentError, OSError):
        return None


def read_within(run: str, cell: Cell, scan: Scan, report: Report) -> Report:
    """The report of a cell, as a run has it: its paths as they are within the cell, or within the image."""
    folder = cell_path(run, cell.target, cell.scan)
    mark = f"{folder}/"
    if not scan.reads_layers and not any(mark in each.location or mark in each.place for each in report.findings):
        return report
    return msgspec.structs.replace(
        report, findings=tuple(within_cell(report.findings, folder, layers=scan.reads_layers))
    )
