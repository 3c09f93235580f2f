"""Reports into findings: one module per report format, found by name.

To add a format, write a module with `name` and `parse` (see `orchestrator.findings.interface`) and list it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.findings.interface import ReportFormat
    from orchestrator.model import Scan


def formats() -> dict[str, ReportFormat]:
    """Every report format by the name that scan templates give it."""
    from orchestrator.findings import (  # noqa: PLC0415 - on first use
        clamav,
        cyclonedx,
        dockle,
        grype,
        osv,
        sarif,
        scanmatrix,
        scorecard,
        syft,
        trivy,
    )

    known: tuple[ReportFormat, ...] = (
        clamav, cyclonedx, dockle, grype, osv, sarif, scanmatrix, scorecard, syft, trivy,
    )  # fmt: skip
    return {each.name: each for each in known}


def kinds_of(scan: Scan) -> frozenset[str] | None:
    """The kinds of findings that a scan looks for; None when nothing is known of it, because its format is unknown."""
    if scan.kinds is not None:
        return frozenset(scan.kinds)
    known = formats().get(scan.format)
    return None if known is None else frozenset(known.kinds)
