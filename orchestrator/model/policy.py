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
        name: unique in the policy, and none of `BUILT_IN`.
        at_most: more than so many findings break the rule.
        severity: this one or above.
        kinds: one of these (`vulnerability`, `secret`, …); none for all.
        scans: found by one of these (globs).
        owners: an owner of the target is one of these (globs).
        ecosystems: type of the package URL is one of these (`deb`, `maven`, …).
        fixable: only what has a fixed version.
        older_than: first seen more than so many seconds ago, or nobody knows when; 0 for any age.
        epss: at least this probability; 0 for any.
        kev: only what is in CISA's catalogue.
    """

    name: Annotated[str, Written("name")]
    at_most: Annotated[int, Written(least=0)] = 0
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
        coverage: least percentage of planned cells that end `ok` or `skipped`.
        severity: a finding of this severity or above breaks the policy; None for no such rule.
        database_age: most seconds between the refresh of a scanner's database and its report; 0 for any age.
        rules: further rules.
        epss_feed: name of FIRST's CSV (or `.csv.gz`) in the volume's folder `feeds/`; empty for none.
        kev_feed: name of CISA's JSON there; empty for none.
        warn_only: report a broken rule, but let the run pass.
    """

    coverage: Annotated[float, Written(least=0, most=100)] = 100.0
    severity: Severity | None = None
    database_age: Annotated[int, Written("duration")] = 0
    rules: tuple[PolicyRule, ...] = ()
    epss_feed: str = ""
    kev_feed: str = ""
    warn_only: bool = False


class Broken(Document, frozen=True):
    """One rule of the policy that a run broke.

    Attributes:
        rule: its name (`coverage`, `severity`, `database-age`, or that of a `PolicyRule`).
        message: in words.
        count: findings, or cells, that count against it; 0 for a rule that could not be judged. What is no
            vulnerability counts as often as it is there (`MergedFinding.things`).
        rows: keys of the first of these findings, as `<target> <key>` and how many there are where these are several,
            or ids of the first of these cells; all findings are in `merged.parquet`, in the column `rules`.
        total: how many such rows there are; 0 where that is `count`.
    """

    rule: str
    message: str
    count: int
    rows: tuple[str, ...] = ()
    total: int = 0
