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
from orchestrator.results.bom.target import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.results.run import RunResults

_COLUMNS = (
    "target",
    "references",
    "digest",
    "indexes",
    "platform",
    "id",
    "aliases",
    "package",
    "version",
    "purl",
    "fixed_version",
    "vex",
    "suppressed",
    "suppressed_by",
    "suppressed_reason",
    "suppressed_until",
    "justification",
)
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


class Package(NamedTuple):
    """A package in a target, by a package URL that a reader of VEX can find it by."""

    purl: str
    name: str
    version: str


class Said(NamedTuple):
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


class Known(NamedTuple):
    """What is said in the same words for all these packages.

    Attributes:
        places: packages by target; none in a target means all of it.
    """

    said: Said
    places: dict[Product, list[Package]]


def gather(results: RunResults) -> list[Known]:
    """Everything that a run knows, in an order that depends on nothing else."""
    frame = results.merged
    frame = frame[frame["kind"] == "vulnerability"]
    # What a scanner suppressed by itself is no statement of those who export.
    known = frame[~frame["suppressed"].isin(["", BY_SCANNER]) | (frame["vex"] != "")]
    often = Counter(zip(frame["target"], frame["id"], strict=True))
    products: dict[str, Product] = {}
    gathered: dict[Said, dict[Product, list[Package]]] = {}
    rows: Iterable[Any] = known[list(_COLUMNS)].itertuples(index=False)
    for row in rows:
        package = _package(row)
        if package is None and often[row.target, row.id] > 1:
            continue  # without a package it would be said of all that have this vulnerability in the target
        product = products.setdefault(row.target, _product(row))
        packages = gathered.setdefault(_said(row), {}).setdefault(product, [])
        packages += [package] if package else []
    return [
        Known(said, {product: sorted(set(places[product])) for product in sorted(places)})
        for said, places in sorted(gathered.items())
    ]


def document_id(results: RunResults, kind: str) -> str:
    """Id of a document about a run: the same whenever it is written again."""
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{kind} {results.run}')}"


def _said(row: Any) -> Said:
    """The words of a row."""
    status = VexStatus(row.vex) if not row.suppressed else VexStatus.NOT_AFFECTED
    status = VexStatus.FIXED if row.suppressed == VexStatus.FIXED.value else status
    action = ""
    if status is VexStatus.AFFECTED:
        action = f"Update to {row.fixed_version}." if row.fixed_version else "No action is known yet."
    ids = (row.id, *row.aliases)
    return Said(ids, status, row.justification, row.suppressed_reason, action, "; ".join(_notes(row)))


def _notes(row: Any) -> Iterator[str]:
    if row.suppressed_by:
        yield f"{row.suppressed} by {row.suppressed_by}"
    if row.suppressed == "ignored" and row.suppressed_until == row.suppressed_until:  # NaT is not equal to itself
        yield f"until {row.suppressed_until:%Y-%m-%dT%H:%M:%SZ}"
    if row.suppressed == "ignored" and row.vex:
        yield f"although VEX says {row.vex}"


def _product(row: Any) -> Product:
    references = tuple(row.references) or (row.target,)
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


def _package(row: Any) -> Package | None:
    """The package of a row; one without a package URL is of the type `generic`. None where there is no package."""
    if row.purl:
        return Package(row.purl, row.package or row.purl, row.version)
    if not row.package:
        return None
    return Package(generic_purl(row.package, row.version), row.package, row.version)
