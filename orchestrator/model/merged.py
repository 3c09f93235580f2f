"""Findings of all scans of one target, merged: what people act on."""

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.finding import Cvss, Severity, Suppressed

MOST_PLACES = 100
"""Most places that a row names; its count has all of them."""


class MergedFinding(Document, frozen=True, gc=False):
    """One fact about one target, whoever found it: of vulnerabilities, one for each package and version.

    Attributes:
        key: the same in every run and of every version of the package: kind, id, package without version, and, where
            there is no package, location; by it findings of two runs are compared.
        id: the best known name: the CVE, else the GHSA, else what the first scanner calls it.
        aliases: every other id, sorted.
        severity: the highest that any scanner gives.
        severities: what each scan that found it says.
        package: name as the first scanner spells it.
        purl: canonical package URL without qualifiers; empty where there is no package, or its type is unknown.
        qualifiers: what the package URLs of all who found it say beside that, as
            `orchestrator.packages.qualifiers.qualifiers_of` gives it; in memory only, until suppression has looked.
        ecosystem: type of the package URL (`deb`, `maven`, …); empty without one.
        locations: every path where it was found, sorted.
        count: how many of it there are: distinct locations, and places within them (`Finding.place`), of the scan that
            names the most; never less than 1.
        counts: the same of each scan that found it. Empty in rows of versions that did not count.
        places: the places that this scan names, in order, at most `MOST_PLACES`; empty when it names none.
        fixed_version: the lowest version in which no scanner would find it any more, by any advisory; empty when there
            is none.
        found_by: scans that found it, in the plan's order.
        not_found_by: scans that look for such things, ended ok on this target, and did not find it.
        suppressed_in: scans that found it, and themselves suppressed it, at least in some place. While another scan, or
            the same in another place, reports it unsuppressed, it is not suppressed, and these are not in `found_by`.
        not_scanned_by: scans that look for such things, but failed or were skipped on this target.
        first_seen: RFC 3339 in UTC: when a run on this volume first found it under this name of the target.
        epss: probability of exploitation in the next 30 days (FIRST's EPSS), 0.0-1.0; None without a feed.
        kev: whether CISA's catalogue lists it as exploited; False without a feed.
        vex: status of the VEX statement that holds for it; empty without one.
        suppressed: why nobody needs to act; None when somebody does.
        rules: names of the policy's rules that count it.
    """

    target: str
    key: str
    kind: str
    id: str
    severity: Severity = Severity.UNKNOWN
    severities: dict[str, Severity] = msgspec.field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    title: str = ""
    package: str = ""
    version: str = ""
    purl: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()
    ecosystem: str = ""
    locations: tuple[str, ...] = ()
    count: int = 1
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    places: tuple[str, ...] = ()
    fixed_version: str = ""
    cvss: Cvss | None = None
    found_by: tuple[str, ...] = ()
    not_found_by: tuple[str, ...] = ()
    suppressed_in: tuple[str, ...] = ()
    not_scanned_by: tuple[str, ...] = ()
    first_seen: str = ""
    epss: float | None = None
    kev: bool = False
    vex: str = ""
    suppressed: Suppressed | None = None
    rules: tuple[str, ...] = ()

    @property
    def things(self) -> int:
        """How often it counts against a rule of the policy.

        Each secret, misconfigured resource or infected member is a thing of its own. A vulnerability is one for each
        package and version, in however many paths it lies.
        """
        return 1 if self.kind == "vulnerability" else self.count
