"""SBOMs that are stored on the volume, and read by scans in place of the images they list."""

from orchestrator.model.base import SCHEMA_VERSION, Document
from orchestrator.model.ledger import BomSource


class SbomStorage(Document, frozen=True):
    """How SBOMs are stored.

    Attributes:
        unused_after: seconds after which one goes that no run has read.
        budget: bytes that all may take.
    """

    unused_after: int
    budget: int


class StoredSbom(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """What is known of one stored SBOM, beside its bytes.

    Attributes:
        digest: of the platform's manifest that it lists the packages of, `sha256:<hex>`.
        scan: the scan that made it.
        asked: what that scan was asked (`orchestrator.catalog.question`): its image, command, parameters and options.
        source: its own digest, when it was made, and by which program in which version.
        size: bytes of it, unpacked.
        types: types of the packages in it, as purls name them, sorted.
        gaps: why it is no whole answer, in words: what its cataloguer says it could not read; empty for a whole one.
        run: the run that made it.
    """

    digest: str
    scan: str
    asked: str
    source: BomSource
    size: int
    types: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    run: str = ""
