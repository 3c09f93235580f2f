"""What is known of one target's components and vulnerabilities until all of its reports are there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from orchestrator.model import Finding
from orchestrator.packages.qualifiers import qualifiers_of
from orchestrator.results.bom.pieces import Property, SaidBy

Json = dict[str, Any]

# Components of one package that a finding is held against: an image has one for each architecture, or artifact.
_MOST_COMPARED = 20


class BomEntry(msgspec.Struct, gc=False):
    """A component of the target, whichever report it is from.

    Attributes:
        number: which makes its reference.
        document: as a BOM describes it; None where only findings name it: any BOM's description is better.
        name: where only findings name it.
        version: likewise.
        purl: as the first finding has it.
        scans: the scans that found it, in order.
    """

    number: int
    document: Json | None = None
    name: str = ""
    version: str = ""
    purl: str = ""
    scans: tuple[str, ...] = ()

    @property
    def package_url(self) -> str:
        """Of the component; empty without one."""
        return self.purl if self.document is None else str(self.document.get("purl") or "")


class SaidReport(NamedTuple):
    """What one report says, until all are there.

    Attributes:
        source: its scanner.
        by: the property that names the scan.
        findings: of one that is no BOM, in lists that become one vulnerability each: a finding, its package, and so on.
        bom: the valid parts of one that is.
        subject: the reference by which that BOM calls the target; empty for none.
    """

    scan: str
    source: SaidBy
    by: tuple[Property, ...]
    findings: Sequence[list[Any]] = ()
    bom: Json | None = None
    subject: str = ""


class ReportedVulnerability(msgspec.Struct, gc=False):
    """A vulnerability that a finding reports, with the components it is in, until it is written.

    Attributes:
        number: which makes its reference.
        affects: numbers of the components; 0 for the target.
    """

    number: int
    said: SaidReport
    finding: Finding
    affects: tuple[int, ...]


def nearest(entries: list[BomEntry], purl: str) -> BomEntry:
    """Of the components that are one package the one with the most of a package URL's qualifiers, else the first."""
    said = set(qualifiers_of(purl))

    def likeness(entry: BomEntry) -> tuple[int, int]:
        own = set(qualifiers_of(entry.package_url))
        return len(own & said), -len(own - said)

    return max(entries[:_MOST_COMPARED], key=likeness)


def strip_refs(value: Any) -> None:
    """Remove every `bom-ref` within a part of a component: they would collide with those of other targets."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            value.pop("bom-ref", None)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def own_property(name: str, value: str) -> Json:
    """A property of ours."""
    return {"name": f"scanmatrix:{name}", "value": value}
