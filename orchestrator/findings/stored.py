"""Reports that are stored as SBOMs: of which formats, and what is written down of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.findings import cyclonedx_catalogued, syft
from orchestrator.findings.catalogued import MOST
from orchestrator.findings.interface import ReportError

if TYPE_CHECKING:
    from orchestrator.findings.catalogued import Catalogued, SbomFormat

_FORMATS: dict[str, SbomFormat] = {"cyclonedx": cyclonedx_catalogued, "syft": syft}


def read_catalogued(format_: str, data: bytes, *, image: str) -> Catalogued:
    """What a report says that is to be stored as the SBOM of an image.

    Args:
        format_: name of the report's format.
        data: the report.
        image: digest of the manifest of the image's platform.

    Raises:
        ReportError: it is none, or of another image.
    """
    known = _FORMATS.get(format_)
    if known is None:
        raise ReportError(f"a report of the format {format_!r} cannot be stored as an SBOM")
    found = known.catalogued(data)
    if found.image and found.image != image:
        raise ReportError(f"the SBOM is of another image: it names {found.image[:100]}, and was made of {image}")
    return found._replace(gaps=found.gaps[:MOST])
