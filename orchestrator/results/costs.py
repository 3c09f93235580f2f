"""What results may cost in memory while they are put together, so that a pod has room for them.

Reports are read one at a time, but what the scans of one target found is merged together. So the reports of a target
may cost this much: a number that depends on what they say alone, so that the same reports are always refused.
`python -m tests.benchmarks worst` measures what the costliest accepted ones really take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.findings.interface import MOST_MEMORY
from orchestrator.kit.quantities import spell_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.findings.interface import Report
    from orchestrator.model import Finding

#: Limit of the aggregate step's pod; each further attempt gets as much again.
POD_MEMORY = "2Gi"
#: Most that the reports of one target may cost; while reports are still read, less than two thirds of it is needed.
OF_TARGET = MOST_MEMORY
#: What the pod has room for beside them: the program with its libraries; and, whatever is in the reports, row groups
#: that are written while the next one gathers, two parts of the merged rows, and what is remembered of spellings. That
#: was up to 150 MB, with 114,000 findings; more of them take less than they are said to cost.
PROGRAM, BESIDE = 256 * 1024**2, 160 * 1024**2
#: A report that costs less is never refused, so that one scanner with much to say cannot displace the others.
SMALL = 8 * 1024**2
# Bytes for a finding and what its row and its component are made of; its texts aside. Rows and components themselves
# are made, and written, in parts.
_FINDING = 1700


class TargetCost:
    """What the reports of one target cost, as one after the other is read."""

    def __init__(self) -> None:
        self._cost = 0

    def excess(self, report: Report) -> str:
        """Why a report cannot be held besides those before it, as a reason of its cell; empty if it can be, and is."""
        own = of_report(report)
        if own > SMALL and self._cost + own > OF_TARGET:
            what = f"{len(report.findings):,} findings"
            what += f" and {report.components:,} components" if report.bom is not None else ""
            return (
                f"merging its {what} takes {spell_size(own)} of memory, those of the"
                f" scans before it {spell_size(self._cost)}; all reports of a target may take {spell_size(OF_TARGET)}"
                " together: make the scan report less, or split the target"
            )
        self._cost += own
        return ""


def of_report(report: Report) -> int:
    """What a report costs until its target is merged and written, bytes."""
    return report.bom_memory + of_findings(report.findings)


def of_findings(findings: Sequence[Finding]) -> int:
    """What findings cost, bytes: their number, and twice their texts, which are also written."""
    texts = sum(
        [
            len(each.id) + len(each.title) + len(each.package) + len(each.version) + len(each.purl)
            + len(each.location) + len(each.fixed_version) + len(each.place)
            for each in findings
        ]
    )  # fmt: skip
    names = sum([len(name) + 200 for each in findings if each.aliases for name in each.aliases])
    return _FINDING * len(findings) + 2 * (texts + names)
