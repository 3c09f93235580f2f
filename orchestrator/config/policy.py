"""The section `policy`: when a run is good enough."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from orchestrator import model
from orchestrator.config.described import ValueKind
from orchestrator.config.section import CelRule, Keys, Section, WrongKey
from orchestrator.model.policy import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def _rule_name(value: str) -> str:
    if value in BUILT_IN:
        raise ValueError(f"{value!r} is the name of a rule that every policy has; choose another")
    return value


def _feed_name(value: str) -> str:
    if not _FILE.fullmatch(value):
        raise ValueError(f"{value!r} is not the name of a file in the volume's folder feeds/; write it without folders")
    return value


FeedName = Annotated[
    str, AfterValidator(_feed_name), ValueKind("file name", {"type": "string", "pattern": f"^{_FILE.pattern}$"})
]


class FeedsSection(Section):
    """Files in the volume's folder `feeds/`, plain or gzip; nothing fetches them for you.

    Attributes:
        epss: FIRST's CSV of all EPSS scores
        kev: CISA's catalogue of known exploited vulnerabilities, as JSON
    """

    epss: FeedName | None = None
    kev: FeedName | None = None


def _each_name_once(rules: Sequence[model.PolicyRule]) -> Sequence[model.PolicyRule]:
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"more than one rule called {', '.join(twice)}")
    return rules


def _feeds_for_the_rules(policy: model.Policy) -> model.Policy:
    """A rule without its feed would count nothing, and so never be broken."""
    for rule in policy.rules:
        for key, wanted, feed in (("epss", rule.epss > 0, policy.epss_feed), ("kev", rule.kev, policy.kev_feed)):
            if wanted and not feed:
                raise WrongKey(("feeds", key), f"the rule {rule.name!r} asks for {key}: name its file here")
    return policy


def _build(values: dict[str, Any]) -> model.Policy:
    feeds = values.pop("feeds")
    return model.Policy(**values, epss_feed=feeds.epss or "", kev_feed=feeds.kev or "")


POLICY = Keys(
    model.Policy,
    without=("epss_feed", "kev_feed"),
    beside={"feeds": (FeedsSection, FeedsSection())},
    nested=(Keys(model.PolicyRule, checks={"name": _rule_name}),),
    checks={"rules": _each_name_once},
    check=_feeds_for_the_rules,
    across=(
        CelRule(
            "self.rules.all(a, self.rules.exists_one(b, b.name == a.name))",
            "more than one rule has the same name; give each a name of its own",
        ),
        CelRule(
            "(has(self.feeds) && has(self.feeds.epss)) || !self.rules.exists(one, one.epss > 0)",
            "a rule asks for epss: name its file in feeds.epss",
        ),
        CelRule(
            "(has(self.feeds) && has(self.feeds.kev)) || !self.rules.exists(one, one.kev)",
            "a rule asks for kev: name its file in feeds.kev",
        ),
    ),
    build=_build,
)
