"""What a report says that is stored as an SBOM: who made it, of which image, and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.packages.ecosystems import type_in

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Most types and gaps that are written down of one.
MOST = 50


class Catalogued(NamedTuple):
    """One report, in short.

    Attributes:
        cataloguer: the program that made it, and its version: `syft 1.42.3`.
        image: digest of the manifest that it says it is of; empty where it does not say.
        types: types of its packages, as purls name them, sorted.
        gaps: what it leaves out, in words; empty for a whole one.
    """

    cataloguer: str
    image: str
    types: tuple[str, ...]
    gaps: tuple[str, ...]


class SbomFormat(Protocol):
    """A report format whose reports can be stored: the module of one also has this."""

    def catalogued(self, data: bytes) -> Catalogued:
        """What a report says.

        Raises:
            ReportError: it is none of this format.
        """
        ...

    def for_matching(self, data: bytes) -> bytes:
        """What of it is stored: all that scans read which are answered from it.

        Raises:
            ReportError: it is none of this format.
        """
        ...


def types_of(purls: Iterable[str]) -> tuple[str, ...]:
    """Types of packages by their purls, each once, sorted."""
    return tuple(sorted({found for purl in purls if (found := type_in(purl))})[:MOST])
