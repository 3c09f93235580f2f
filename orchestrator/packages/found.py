"""The packages of one target's findings: each spelling of one is read once, whoever asks for it and however often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.packages.identity import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.model import Finding
    from orchestrator.packages.identity import Package

# What is longer is not remembered for other targets.
_LONGEST_CACHED = 300


class FoundPackages:
    """Gives the packages of findings; one object for each spelling in a target."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Package] = {}

    def of(self, findings: Iterable[Finding]) -> list[Package]:
        """The package of each finding, in their order."""
        known, found = self._known, []
        for finding in findings:
            spelling = finding.purl, finding.package, finding.version
            package = known.get(spelling)
            if package is None:
                package = known[spelling] = _read(*spelling)
            found.append(package)
        return found


def _read(purl: str, name: str, version: str) -> Package:
    if len(purl) + len(name) + len(version) < _LONGEST_CACHED:
        return canonical(purl, name, version)
    return canonical.__wrapped__(purl, name, version)
