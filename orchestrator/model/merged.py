"""Findings of all scans of one target, merged: what people act on."""

from typing import Annotated

import msgspec

from orchestrator.model.base import Document, Moment
from orchestrator.model.finding import Cvss, Severity, Suppressed

MOST_PLACES = 100
"""Most places that a row names; its count has all of them."""


class MergedFinding(Document, frozen=True, gc=False):
    """One fact about one target, whichever scans found it: of vulnerabilities, one for each package and version.

    Every field is a column of `merged.parquet`, `merged.csv`, the HTML report and a property of a SARIF result, and its
    text here is what `docs/results.md` says of it: `orchestrator.results.tables.columns` derives them.

    Attributes:
        target: id of the target.
        key: the same in every run and every version of the package, by it runs are compared: kind, id, package without
            version, and, where there is no package, location.
        kind: `vulnerability`, `malware`, `secret`, `misconfiguration`, `license` or `check`.
        id: the best known name: the CVE, else the GHSA, else what the first scan calls it.
        aliases: every other id, sorted.
        severity: the highest that any scan gives: `unknown` < `none` < `info` < `low` < `medium` < `high` < `critical`.
        severities: what each scan that found it says: `general=critical`.
        cvss: the rating of the highest CVSS version, of the first scan that has it; None without one.
        epss: probability of exploitation within 30 days (FIRST's EPSS), 0 to 1; none where it is not known, or there is
            no feed.
        kev: whether CISA's catalogue lists it as exploited; false without a feed.
        title: one line.
        package: name of the package, as the first scanner spells it.
        version: installed version of the package.
        purl: canonical package URL, without qualifiers; empty where there is no package, or its type is unknown.
        ecosystem: type of the package URL: `deb`, `maven`, …; empty without one.
        locations: every path where it was found, sorted.
        count: how many of it there are: distinct locations, and places within them, of the scan that names the most; at
            least 1.
        counts: the same of each scan that found it, as `scan=count`; empty in runs of versions that did not count.
        places: the places that the scan with the most names, in order, at most 100; empty when it names none.
        fixed_version: the lowest version in which no scan would find it any more, by any of its advisories; empty when
            there is none.
        found_by: scans that found it, in the plan's order.
        not_found_by: scans that look for such things, ended ok on this target, and did not find it.
        not_scanned_by: scans that look for such things, and failed or were skipped on this target.
        suppressed_in: scans that found it and themselves suppressed it, at least in some place; they are in `found_by`
            only where nobody reports it unsuppressed, and never in `not_found_by`.
        first_seen: when a run on this volume first found it under this name of the target.
        vex: status of the VEX statement that holds for it: `not_affected`, `affected`, `fixed`, `under_investigation`;
            empty without one.
        suppressed: why nobody needs to act; None when somebody does.
        rules: names of the policy's rules that count it.
        qualifiers: what the package URLs of all who found it say beside `purl`, as
            `orchestrator.packages.qualifiers.qualifiers_of` gives it; in memory only, until suppression has looked.
    """

    target: str
    key: str
    kind: str
    id: str
    aliases: tuple[str, ...] = ()
    severity: Severity = Severity.UNKNOWN
    severities: dict[str, Severity] = msgspec.field(default_factory=dict)
    cvss: Cvss | None = None
    epss: float | None = None
    kev: bool = False
    title: str = ""
    package: str = ""
    version: str = ""
    purl: str = ""
    ecosystem: str = ""
    locations: tuple[str, ...] = ()
    count: int = 1
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    places: tuple[str, ...] = ()
    fixed_version: str = ""
    found_by: tuple[str, ...] = ()
    not_found_by: tuple[str, ...] = ()
    not_scanned_by: tuple[str, ...] = ()
    suppressed_in: tuple[str, ...] = ()
    first_seen: Moment = ""
    vex: str = ""
    suppressed: Suppressed | None = None
    rules: tuple[str, ...] = ()
    qualifiers: Annotated[tuple[tuple[str, str], ...], msgspec.Meta(extra={"column": ""})] = ()

    @property
    def things(self) -> int:
        """How often it counts against a rule of the policy.

        Each secret, misconfigured resource or infected member is a thing of its own. A vulnerability is one for each
        package and version, in however many paths it lies.
        """
        return 1 if self.kind == "vulnerability" else self.count
