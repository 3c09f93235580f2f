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

#: The keys of a rule that say what it is about.
PATTERNS = ("id", "package", "target", "owner", "scan", "path")


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
        name: for people: the file and line where it stands (`ignore.yaml:12`)
        reason: why this may be ignored
        id: the id or any alias, whatever its case and the blanks around it: `CVE-2021-44228`, `GHSA-…`, `root-user`
        package: name of the package, as any scanner spells it (`log4j-core`, `org.apache.logging.log4j:log4j-core`; the
            scope or vendor is part of it: `@babel/core`); or, if it starts with `pkg:`, its package URL, with or
            without the version. Any scanner's spelling works: the rule applies whichever scanner found the row ([what
            is one package](merging.md)), and without a distribution (`pkg:rpm/openssl`) it applies to all of them. Its
            qualifiers must match, [below](#qualifiers); their values may be globs
        target: a name of the target, with or without tag (Docker Hub's short names too), the URL of a repository, or a
            digest (the image's own, or that of an index it was found by)
        owner: an owner of the target
        scan: every scan that found it must match: what another scanner also found is not hidden
        path: every place where it was found must match; a leading `/` makes no difference
        expires: a day (inclusive, in UTC), or a time: `2026-12-31T12:00:00Z`
        justification: for exports, in VEX's vocabulary: `component_not_present`, `vulnerable_code_not_present`,
            `vulnerable_code_not_in_execute_path`, `vulnerable_code_cannot_be_controlled_by_adversary`,
            `inline_mitigations_already_exist`
    """

    name: str
    reason: Annotated[str, Written("text")]
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
