"""What a run knows of vulnerabilities in VEX's words, gathered for the exports that write VEX documents.

Suppressed vulnerabilities become `not_affected` or `fixed`; those that are not, but of which a VEX statement says
something, become `affected` or `under_investigation`; of all others nothing is said. A rule's reason becomes the impact
statement. Only vulnerabilities: VEX has no words for secrets and the like.
"""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestrator.analysis.suppression.packages import generic_purl
from orchestrator.model import BY_SCANNER, Name, Platform, Target, TargetKind, VexStatus
from orchestrator.results.bom.identity import identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.model import MergedFinding, MergedRow, Suppressed
    from orchestrator.results.run import RunResults
    from orchestrator.results.tables.rows import MergedFile

# Made once for this purpose, so that the same run has the same ids everywhere.
_NAMESPACE = uuid.UUID("5b0c1f0e-2f5c-5b54-9c1a-0d8d2a4f6d10")


class Product(NamedTuple):
    """A target as a product.

    Attributes:
        id: of the target.
        name: its first reference; of an image its repository.
        purl: package URL; empty for a target that can have none.
        digest: of the image, or of the commit.
        others: package URLs by the digests of the indexes that led to the image, which `docker pull` prints; they name
            the architecture.
    """

    id: str
    name: str
    purl: str
    digest: str
    others: tuple[str, ...] = ()


class VexPackage(NamedTuple):
    """A package in a target, by a package URL that a reader of VEX can find it by."""

    purl: str
    name: str
    version: str


class VexStatementText(NamedTuple):
    """What is said of one vulnerability.

    Attributes:
        ids: its name first.
        impact: why it is not affected, in words.
        action: what to do about it, in words; only where it is affected.
        notes: who says so, and until when.
    """

    ids: tuple[str, ...]
    status: VexStatus
    justification: str
    impact: str
    action: str
    notes: str


class KnownStatement(NamedTuple):
    """What is said in the same words for all these packages.

    Attributes:
        places: packages by target; none in a target means all of it.
    """

    said: VexStatementText
    places: dict[Product, list[VexPackage]]


def gather(results: RunResults) -> list[KnownStatement]:
    """Everything that a run knows, in an order that depends on nothing else."""
    products: dict[str, Product] = {}
    gathered: dict[VexStatementText, dict[Product, list[VexPackage]]] = {}
    with results.open_merged() as merged:
        often = _often(merged)
        for row in merged.where(_known()):
            package = _package(row.finding)
            if package is None and often[row.target, row.finding.id] > 1:
                continue  # without a package it would be said of all that have this vulnerability in the target
            product = products.setdefault(row.target, _product(row))
            packages = gathered.setdefault(_said(row.finding), {}).setdefault(product, [])
            packages += [package] if package else []
    return [
        KnownStatement(said, {product: sorted(set(places[product])) for product in sorted(places)})
        for said, places in sorted(gathered.items())
    ]


def _often(merged: MergedFile) -> Counter[tuple[str, str]]:
    """How many rows each target has of each vulnerability."""
    counts: Counter[tuple[str, str]] = Counter()
    for table in merged.tables(["target", "id", "kind"]):
        rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
        counts.update((target, id_) for target, id_, kind in rows if kind == "vulnerability")
    return counts


def _known() -> Any:
    """Vulnerabilities of which somebody says something; a scanner's own suppression is no statement of the exporter."""
    import pyarrow.compute as pc  # noqa: PLC0415 - heavy

    said = ~pc.field("suppressed").isin(["", BY_SCANNER]) | (pc.field("vex") != "")
    return (pc.field("kind") == "vulnerability") & said


def document_id(results: RunResults, kind: str) -> str:
    """Id of a document about a run: the same whenever it is written again."""
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{kind} {results.run}')}"


def _said(finding: MergedFinding) -> VexStatementText:
    """The words of a row."""
    known = finding.suppressed
    status = VexStatus.NOT_AFFECTED if known else VexStatus(finding.vex)
    status = VexStatus.FIXED if known and known.status == VexStatus.FIXED.value else status
    action = ""
    if status is VexStatus.AFFECTED:
        action = f"Update to {finding.fixed_version}." if finding.fixed_version else "No action is known yet."
    ids = (finding.id, *finding.aliases)
    justification, reason = (known.justification, known.reason) if known else ("", "")
    return VexStatementText(ids, status, justification, reason, action, "; ".join(_notes(finding.vex, known)))


def _notes(vex: str, known: Suppressed | None) -> Iterator[str]:
    if known is None:
        return
    if known.by:
        yield f"{known.status} by {known.by}"
    if known.status == "ignored" and known.until:
        yield f"until {known.until}"
    if known.status == "ignored" and vex:
        yield f"although VEX says {vex}"


def _product(row: MergedRow) -> Product:
    references = row.references or (row.target,)
    operating_system, _, rest = row.platform.partition("/")
    architecture, _, variant = rest.partition("/")
    is_repository = row.digest.startswith("git:")
    target = Target(
        id=row.target,
        names=tuple(Name(reference=reference) for reference in references),
        platform=Platform(os=operating_system, architecture=architecture, variant=variant),
        digest=row.digest,
        pull=references[0].partition("#")[0] if is_repository else "",
        kind=TargetKind.REPOSITORY if is_repository else TargetKind.IMAGE,
    )
    name, purl = identity(target)
    by_index = [identity(msgspec.structs.replace(target, digest=index))[1] for index in row.indexes]
    return Product(row.target, name, purl, row.digest, tuple(each for each in by_index if each))


def _package(finding: MergedFinding) -> VexPackage | None:
    """The package of a row; one without a package URL is of the type `generic`. None where there is no package."""
    if finding.purl:
        return VexPackage(finding.purl, finding.package or finding.purl, finding.version)
    if not finding.package:
        return None
    return VexPackage(generic_purl(finding.package, finding.version), finding.package, finding.version)
