"""The section `policy` of the configuration."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, field_validator, model_validator

from orchestrator import model
from orchestrator.config.section import Section
from orchestrator.kit.quantities import Duration
from orchestrator.model.policy import BUILT_IN

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

#: `orchestrator.model.KINDS`, as a type.
Kind: TypeAlias = Literal["vulnerability", "malware", "secret", "misconfiguration", "license", "check"]


def _rule_name(value: str) -> str:
    if value in BUILT_IN:
        raise ValueError(f"{value!r} is the name of a rule that every policy has; choose another")
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name; write lower-case letters, digits and '-', 63 at most")
    return value


def _feed_name(value: str) -> str:
    if not _FILE.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a file in the volume's folder feeds/; write it without folders")
    return value


RuleName = Annotated[str, AfterValidator(_rule_name)]
FeedName = Annotated[str, AfterValidator(_feed_name)]
Word = Annotated[str, Field(min_length=1)]


class RuleSection(Section):
    """How many findings of a kind a run may have; see `orchestrator.model.PolicyRule`."""

    name: RuleName
    at_most: Annotated[int, Field(ge=0)] = 0
    severity: model.Severity | None = None
    kinds: tuple[Kind, ...] = ()
    scans: tuple[Word, ...] = ()
    owners: tuple[Word, ...] = ()
    ecosystems: tuple[Word, ...] = ()
    fixable: bool = False
    older_than: Duration = 0
    epss: Annotated[float, Field(ge=0, le=1)] = 0.0
    kev: bool = False


class FeedsSection(Section):
    """Files in the volume's folder `feeds/`.

    Attributes:
        epss: FIRST's CSV of all scores, plain or gzip.
        kev: CISA's catalogue as JSON, plain or gzip.
    """

    epss: FeedName | None = None
    kev: FeedName | None = None


class PolicySection(Section):
    """When a run is good enough; see `orchestrator.model.Policy`."""

    coverage: Annotated[float, Field(ge=0, le=100)] = 100.0
    severity: model.Severity | None = None
    database_age: Duration = 0
    rules: tuple[RuleSection, ...] = ()
    feeds: FeedsSection = FeedsSection()
    warn_only: bool = False

    @field_validator("rules")
    @classmethod
    def _each_name_once(cls, value: tuple[RuleSection, ...]) -> tuple[RuleSection, ...]:
        counts = Counter(rule.name for rule in value)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            raise ValueError(f"more than one rule called {', '.join(twice)}")
        return value

    @model_validator(mode="after")
    def _feeds_for_the_rules(self) -> PolicySection:
        """A rule without its feed would count nothing, and so never be broken."""
        for rule in self.rules:
            for key, wanted in (("epss", rule.epss > 0), ("kev", rule.kev)):
                if wanted and getattr(self.feeds, key) is None:
                    raise ValueError(f"the rule {rule.name!r} asks for {key}: name its file in policy.feeds.{key}")
        return self

    def document(self) -> model.Policy:
        """As the plan holds it."""
        return model.Policy(
            coverage=self.coverage,
            severity=self.severity,
            database_age=self.database_age,
            rules=tuple(model.PolicyRule(**rule.model_dump()) for rule in self.rules),
            epss_feed=self.feeds.epss or "",
            kev_feed=self.feeds.kev or "",
            warn_only=self.warn_only,
        )
