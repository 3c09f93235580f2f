"""What people know better than scanners: rules to ignore findings, and VEX statements; parsed when a run is planned."""

from enum import StrEnum
from typing import Annotated

from orchestrator.model.base import Document
from orchestrator.model.written import Written

#: Why something is not affected, in VEX's words (OpenVEX 0.2.0, "Status Justifications").
JUSTIFICATIONS = (
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
)


class VexStatus(StrEnum):
    """What a VEX statement says of a vulnerability in a product (OpenVEX 0.2.0, "Status Labels")."""

    NOT_AFFECTED = "not_affected"
    AFFECTED = "affected"
    FIXED = "fixed"
    UNDER_INVESTIGATION = "under_investigation"

    @property
    def suppresses(self) -> bool:
        """Whether nobody needs to act on the finding."""
        return self in {VexStatus.NOT_AFFECTED, VexStatus.FIXED}


class IgnoreRule(Document, frozen=True):
    """One rule of the ignore file; every pattern that is given must match, and at least one is.

    Attributes:
        name: for people: the file and line where it stands (`ignore.yaml:12`).
        reason: why it is right to ignore this.
        id: glob for the id or any alias.
        package: glob for the package's name, or for its package URL when it begins with `pkg:`.
        target: glob for a name of the target.
        owner: glob for an owner of the target.
        scan: glob for a scan; the finding must have been found by no scan that does not match.
        path: glob for a location; every location of the finding must match.
        expires: RFC 3339 in UTC, from when on it no longer holds; empty for 90 days after the run that used it first.
        justification: one of `JUSTIFICATIONS`, for the export; empty when there is none.
    """

    name: str
    reason: str
    id: Annotated[str, Written("glob")] = ""
    package: Annotated[str, Written("glob")] = ""
    target: Annotated[str, Written("glob")] = ""
    owner: Annotated[str, Written("glob")] = ""
    scan: Annotated[str, Written("glob")] = ""
    path: Annotated[str, Written("glob")] = ""
    expires: Annotated[str, Written("day or time")] = ""
    justification: Annotated[str, Written("justification")] = ""


class VexProduct(Document, frozen=True):
    """What a statement is about.

    Attributes:
        target: package URL (`pkg:oci/…`), digest or reference of an image, or the URL of a repository; empty for every
            target.
        package: package URL, with or without version, or a bare name; empty for everything in the target.
        version: of a package with a bare name; empty for every version.
        range: versions of the package, or without a package tags of the target, as `vers` writes them
            (`vers:maven/>=2.0|<2.15`); empty for what the package, or the target, says itself.
    """

    target: str = ""
    package: str = ""
    version: str = ""
    range: str = ""


class VexStatement(Document, frozen=True):
    """One statement of a VEX document.

    Attributes:
        source: for people: the file, and the id of the document.
        ids: of the vulnerability, aliases included.
        products: what it holds for; none for everything.
        timestamp: RFC 3339 in UTC; the latest statement about the same finding holds.
        justification: one of `JUSTIFICATIONS`; empty when there is none.
        detail: what the author says in words.
    """

    source: str
    ids: tuple[str, ...]
    status: VexStatus
    products: tuple[VexProduct, ...] = ()
    timestamp: str = ""
    justification: str = ""
    detail: str = ""


class Suppression(Document, frozen=True):
    """Everything that a run suppresses.

    Attributes:
        notes: what the reading left out, a sentence each.
        scanners: whether what a scanner itself suppressed stays suppressed.
    """

    rules: tuple[IgnoreRule, ...] = ()
    statements: tuple[VexStatement, ...] = ()
    notes: tuple[str, ...] = ()
    scanners: bool = True
