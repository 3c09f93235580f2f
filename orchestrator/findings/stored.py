"""Reports that are stored as SBOMs: of which formats, and what is written down of each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.findings import cyclonedx_catalogued, syft
from orchestrator.findings.catalogued import MOST
from orchestrator.findings.interface import ReportError
from orchestrator.model import BomSource, StoredSbom

if TYPE_CHECKING:
    from orchestrator.findings.catalogued import Catalogued, SbomFormat
    from orchestrator.model import Scan

_FORMATS: dict[str, SbomFormat] = {"cyclonedx": cyclonedx_catalogued, "syft": syft}


class ReadSbom(NamedTuple):
    """A report that is to be stored.

    Attributes:
        sbom: what is known of it.
        data: what of it is stored.
    """

    sbom: StoredSbom
    data: bytes


class Cataloguing(NamedTuple):
    """Where a report came from.

    Attributes:
        digest: of the manifest of the image's platform.
        asked: the question that it answers (`orchestrator.catalog.question`).
        made: when, RFC 3339 in UTC.
        run: the run that made it, or that was planned.
        signer: of one that came with the image, who signed it.
    """

    digest: str
    asked: str
    made: str
    run: str
    signer: str = ""


def read_catalogued(format_: str, data: bytes, *, image: str) -> Catalogued:
    """What a report says that is to be stored as the SBOM of an image.

    Args:
        format_: name of the report's format.
        data: the report.
        image: digest of the manifest of the image's platform.

    Raises:
        ReportError: it is none, or of another image.
    """
    found = _known(format_).catalogued(data)
    if found.image and found.image != image:
        raise ReportError(f"the SBOM is of another image: it names {found.image[:100]}, and was made of {image}")
    return found._replace(gaps=found.gaps[:MOST])


def to_store(scan: Scan, found: Catalogued, data: bytes, of: Cataloguing) -> ReadSbom:
    """A report as it is stored.

    Args:
        scan: the cataloguer.
        found: what the report says.
        data: the report.
        of: where it came from.

    Raises:
        ReportError: it is none.
    """
    kept = _known(scan.format).for_matching(data)
    sbom = StoredSbom(
        digest=of.digest,
        scan=scan.name,
        asked=of.asked,
        source=BomSource(
            bom=f"sha256:{hashlib.sha256(kept).hexdigest()}",
            made=of.made,
            cataloguer=found.cataloguer,
            signer=of.signer,
        ),
        size=len(kept),
        types=found.types,
        gaps=found.gaps,
        run=of.run,
    )
    return ReadSbom(sbom, kept)


def _known(format_: str) -> SbomFormat:
    known = _FORMATS.get(format_)
    if known is None:
        raise ReportError(f"a report of the format {format_!r} cannot be stored as an SBOM")
    return known
