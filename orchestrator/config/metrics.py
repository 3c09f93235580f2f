"""The section `metrics`: counts of findings that the service exposes beside its own metrics."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from orchestrator import model
from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Glob, Text
from orchestrator.config.section import Section

#: What findings may be counted by; the last three give many series, which the cap cuts off.
MetricLabel: TypeAlias = Literal[
    "severity", "kind", "fixable", "owner", "scan", "ecosystem", "platform", "reference", "package", "id"
]
FindingKind: TypeAlias = Literal["vulnerability", "malware", "secret", "misconfiguration", "license", "check"]
#: Metrics of one configuration: each costs a walk through all findings whenever they change.
MOST_METRICS = 20


class MetricSection(Section):
    """A gauge of your own: merged findings that targets have now, counted by some of what they are.

    Attributes:
        name: the gauge is called `scanmatrix_custom_<name>`
        labels: what is counted apart; at most 1,000 series of one gauge are exposed, and `scanmatrix_series_dropped`
            counts the others
        help: one line that says what it counts
        target: only of targets with this name, which may have `*`
        owner: only of targets of this owner, which may have `*`
        scan: only found by this scan
        id: only with this id or alias, which may have `*`
        package: only in this package, which may have `*`
        kinds: only of these kinds
        severity: only of this severity or above
        fixable: only what has a fixed version
        suppressed: also what is suppressed
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"), ValueKind("name")]
    labels: Annotated[tuple[MetricLabel, ...], Field(min_length=1)]
    help: Text = "Merged findings, counted as the configuration says"
    target: Glob | None = None
    owner: Glob | None = None
    scan: Glob | None = None
    id: Glob | None = None
    package: Glob | None = None
    kinds: tuple[FindingKind, ...] = ()
    severity: model.Severity | None = None
    fixable: bool = False
    suppressed: bool = False
