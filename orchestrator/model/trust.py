"""Which scanners are not believed, and when."""

from orchestrator.model.base import Document


class Distrust(Document, frozen=True):
    """One rule about a scanner that must not run, or whose results are not believed; see `orchestrator.scanners`.

    Everything that is given must hold of a scanner for the rule to be about it.

    Attributes:
        reason: why, for people.
        source: where that is documented, a URL; empty for none.
        denied: whether it is a version that must never run; otherwise somebody stopped trusting the scanner.
        scan: name of the scan, or a glob; empty for any.
        images: repositories of its image without registry, such as `aquasec/trivy`; any of them.
        versions: of the scanner, as its image's tag or its report has it; globs; any of them. None for all.
        digests: of its image's index or manifest; any of them. With versions beside them, either is enough.
        since: beginning of the period in which it ran, RFC 3339 in UTC; empty for no limit.
        until: end of that period; empty for none.
    """

    reason: str
    source: str = ""
    denied: bool = False
    scan: str = ""
    images: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
