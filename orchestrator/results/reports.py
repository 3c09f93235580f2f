"""The reports of cells, read by the formats of their scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.findings import formats
from orchestrator.findings.interface import Report, ReportError
from orchestrator.findings.reading import read_report
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.results.cell_paths import within_cell
from orchestrator.volume.layout import cell_path

if TYPE_CHECKING:
    from collections.abc import Callable

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
    return _believed(format_name, parser.parse, data)


def parse_valid_bom(data: bytes) -> Report:
    """Read a CycloneDX document, JSON, that the schema of its version allows; the report has no BOM for merging.

    Raises:
        ReportError: it is none, and says at which places; or as for `parse_report`.
    """
    from orchestrator.findings import cyclonedx  # noqa: PLC0415 - on first use
    from orchestrator.findings.decoding import decode_json  # noqa: PLC0415 - likewise
    from orchestrator.results.bom.parts import is_valid_by_parts  # noqa: PLC0415 - imports the library
    from orchestrator.results.bom.validity import mistakes  # noqa: PLC0415 - likewise

    def parse(data: bytes) -> Report:
        read = cyclonedx.read_parts(data)
        report = cyclonedx.report_of(read)
        if is_valid_by_parts(data):
            return report
        if wrong := mistakes(decode_json(data, dict[str, Any], what="a CycloneDX document")):
            raise ReportError(f"the document is not valid CycloneDX {read.parts.spec_version}: {'; '.join(wrong)}")
        return report

    return _believed(cyclonedx.name, parse, data)


def _believed(format_name: str, parse: Callable[[bytes], Report], data: bytes) -> Report:
    try:
        with guarded(f"parsing a {format_name} report"):
            report = parse(data)
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
