"""The packages of one target's findings: each spelling of one is read once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.packages.identity import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Finding
    from orchestrator.packages.identity import Package

# What is longer is not remembered for other targets.
_LONGEST_CACHED = 300


class FoundPackages:
    """Gives the packages of findings; one object for each spelling, until `forget` is called."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Package] = {}
        # By identity, with what must not be freed meanwhile.
        self._lists: dict[int, tuple[Sequence[Finding], list[Package]]] = {}

    def of(self, findings: Sequence[Finding]) -> list[Package]:
        """The package of each finding, in their order; worked out once for the same tuple or list."""
        if (before := self._lists.get(id(findings))) is not None:
            return before[1]
        known, found = self._known, []
        for finding in findings:
            spelling = finding.purl, finding.package, finding.version
            package = known.get(spelling)
            if package is None:
                package = known[spelling] = _read(*spelling)
            found.append(package)
        self._lists[id(findings)] = findings, found
        return found

    def forget(self) -> None:
        """Forget all of them, before another target."""
        self._known.clear()
        self._lists.clear()


def _read(purl: str, name: str, version: str) -> Package:
    if len(purl) + len(name) + len(version) < _LONGEST_CACHED:
        return canonical(purl, name, version)
    return canonical.__wrapped__(purl, name, version)
