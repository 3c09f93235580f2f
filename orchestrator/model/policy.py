"""When a run is good enough."""

from typing import Annotated

from orchestrator.model.base import Document
from orchestrator.model.finding import Severity
from orchestrator.model.written import Written

#: Names of the rules that every policy has; no other rule is called so.
COVERAGE, SEVERITY, DATABASE_AGE = BUILT_IN = ("coverage", "severity", "database-age")


class PolicyRule(Document, frozen=True):
    """How many findings of a kind a run may have; a finding counts when it fulfils everything that is given here.

    Suppressed findings never count. A rule that gives nothing counts every other finding.

    Attributes:
        name: lower-case letters, digits and `-`; unique, and not `coverage`, `severity` or `database-age`
        at_most: more findings than this break the rule
        severity: of this severity or above
        kinds: of one of these kinds: `vulnerability`, `malware`, `secret`, `misconfiguration`, `license`, `check`
        scans: found by one of these scans
        owners: in a target that one of these owners answers for
        ecosystems: in a package of one of these types of package URLs: `deb`, `rpm`, `maven`, `npm`, …
        fixable: only what has a version that fixes it
        older_than: first seen longer ago than this
        epss: at least so likely to be exploited in the next 30 days; needs `policy.feeds.epss`
        kev: only what is known to be exploited; needs `policy.feeds.kev`
    """

    name: Annotated[str, Written("object name")]
    at_most: Annotated[int, Written(least=0, most=1_000_000_000)] = 0
    severity: Severity | None = None
    kinds: tuple[Annotated[str, Written("kind of finding")], ...] = ()
    scans: tuple[Annotated[str, Written("glob")], ...] = ()
    owners: tuple[Annotated[str, Written("glob")], ...] = ()
    ecosystems: tuple[Annotated[str, Written("text")], ...] = ()
    fixable: bool = False
    older_than: Annotated[int, Written("duration")] = 0
    epss: Annotated[float, Written(least=0, most=1)] = 0.0
    kev: bool = False


class Policy(Document, frozen=True):
    """When a run is good enough.

    Attributes:
        coverage: least percentage of the planned cells that end `ok` or `skipped`
        severity: a finding of this severity or above breaks the policy, whatever its kind, unless it is suppressed:
            `unknown`, `none`, `info`, `low`, `medium`, `high`, `critical`
        database_age: a scanner's database may be so old when its report is written; one of unknown age breaks the
            policy too. `0s` for any age
        rules: further rules ([policy.md](policy.md)); each counts the findings that fulfil all that it says
        epss_feed: name of FIRST's CSV (or `.csv.gz`) in the volume's folder `feeds/`; empty for none.
        kev_feed: name of CISA's JSON there; empty for none.
        warn_only: say that a rule is broken, but let the run pass
    """

    coverage: Annotated[float, Written(least=0, most=100)] = 100.0
    severity: Severity | None = None
    database_age: Annotated[int, Written("duration")] = 0
    rules: tuple[PolicyRule, ...] = ()
    epss_feed: str = ""
    kev_feed: str = ""
    warn_only: bool = False


class Offender(Document, frozen=True, gc=False):
    """A finding that counts against a rule, as people know it.

    Attributes:
        target: id of the target.
        id: of the finding.
        package: that has it; without one, where it was found.
        version: of the package.
        fixed_version: empty where there is none.
        things: how many of it there are.
    """

    target: str
    id: str
    severity: Severity = Severity.UNKNOWN
    package: str = ""
    version: str = ""
    fixed_version: str = ""
    things: int = 1


class Violation(Document, frozen=True):
    """One rule of the policy that a run broke.

    Attributes:
        rule: its name (`coverage`, `severity`, `database-age`, or that of a `PolicyRule`).
        message: in words.
        count: findings, or cells, that count against it; 0 for a rule that could not be judged. What is no
            vulnerability counts as often as it is there (`MergedFinding.things`).
        rows: keys of the first of these findings, as `<target> <key>` and how many there are where these are several,
            or ids of the first of these cells; all findings are in `merged.parquet`, in the column `rules`.
        total: how many such rows there are; 0 where that is `count`.
        findings: the same as `rows` for people, one for one; none for rules about cells, nor in runs of earlier
            versions.
    """

    rule: str
    message: str
    count: int
    rows: tuple[str, ...] = ()
    total: int = 0
    findings: tuple[Offender, ...] = ()

    @property
    def sentence(self) -> str:
        """The message without the rule's name, for where that stands before it."""
        return self.message.removeprefix(f"{self.rule}: ")
