"""Reports into findings: one module per report format, found by name.

To add a format, write a module with `name` and `parse` (see `orchestrator.findings.interface`) and list it here.
"""

from orchestrator.findings.interface import ReportFormat


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
        trivy,
    )

    known: tuple[ReportFormat, ...] = (clamav, cyclonedx, dockle, grype, osv, sarif, scanmatrix, scorecard, trivy)
    return {each.name: each for each in known}
