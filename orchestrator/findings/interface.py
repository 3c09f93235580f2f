"""What every report format offers, and the error they all raise."""

from typing import Any, Protocol

from orchestrator.errors import PermanentError
from orchestrator.kit.text import is_blank
from orchestrator.model import Document, Finding

#: Most memory that what a report says may take, bytes, and all reports of a target together.
MOST_MEMORY = 1536 * 1024**2


class ReportError(PermanentError):
    """A report that cannot be believed: missing, empty, truncated, of another format, or too large."""


class ReportMissingError(ReportError):
    """There is no report where the scanner was to write it."""


class Report(Document, frozen=True):
    """What one report says.

    Attributes:
        scanner: the scanner's own name, lower-case (`grype`, `trivy`, `clamav`, `syft`, …).
        scanner_version: as the report states it; empty when it does not.
        database_version: build time or version of the vulnerability database, as the report states it.
        findings: in the order of the report; those that the scanner itself suppressed say so.
        bom: the report itself when it is a CycloneDX JSON document, for merging; None otherwise.
        bom_memory: the memory that it needs, bytes, as its parser estimates from the text.
        listed: number of its components where it is one, and `bom` was not asked for.

    Raises:
        ReportError: a finding has an id of which nothing can be seen. It could neither be found again nor suppressed,
            and all such findings of a package would be one.
    """

    scanner: str
    scanner_version: str = ""
    database_version: str = ""
    findings: tuple[Finding, ...] = ()
    bom: dict[str, Any] | None = None
    bom_memory: int = 0
    listed: int | None = None

    def __post_init__(self) -> None:
        nameless = next((finding for finding in self.findings if is_blank(finding.id)), None)
        if nameless is not None:
            of = f" of {nameless.package[:80]!r}" if nameless.package else ""
            raise ReportError(f"the report has a finding{of} without an id ({nameless.kind}); is the scanner broken?")

    @property
    def unsuppressed(self) -> int:
        """Number of findings that the scanner reports as something to act on."""
        return sum(finding.suppressed is None for finding in self.findings)

    @property
    def components(self) -> int | None:
        """Number of components in the BOM, nested ones too; None when the report is no BOM.

        What the document is about (`metadata.component`) is the target and no component of it, but what is nested in
        that is: some tools put everything there.
        """
        if self.bom is None:
            return self.listed
        count, waiting = 0, [self.bom, (self.bom.get("metadata") or {}).get("component") or {}]
        while waiting:
            found = waiting.pop().get("components") or []
            count += len(found)
            waiting += [each for each in found if "components" in each]
        return count


class ReportFormat(Protocol):
    """One report format; an implementation is a module with these three.

    Attributes:
        name: as scan templates call it.
        kinds: the kinds of findings that its reports can hold.
    """

    name: str
    kinds: tuple[str, ...]

    def parse(self, data: bytes) -> Report:
        """Read a report.

        Raises:
            ReportError: it is not a whole report of this format.
        """
        ...
