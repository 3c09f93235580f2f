"""The ignore file: its keys as people write them, and what can be wrong with a rule (`docs/suppression.md`)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from msgspec.structs import replace
from pydantic import ValidationError

from orchestrator.analysis.suppression.globs import narrows_ids, narrows_packages
from orchestrator.analysis.suppression.vex_document import judge_justification, one_line
from orchestrator.catalog.loading import unknown_scan
from orchestrator.config.section import Keys, Section
from orchestrator.config.validation import validate
from orchestrator.kit.ids import folded
from orchestrator.kit.matching import glob, is_glob, says_something
from orchestrator.kit.sources import Problem, SourceError, read_text
from orchestrator.kit.yaml_source import parse_yaml
from orchestrator.model import IgnoreRule
from orchestrator.model.suppression import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from orchestrator.kit.sources import Source

KEY = "ignore"
"""The one key of an ignore file."""

LONGEST = timedelta(days=365)
"""A rule may not end later than this: what nobody looks at for a year, nobody answers for any more."""


def _reason(value: str) -> str:
    if not value.strip():
        raise ValueError("say why it is right to ignore this")
    return one_line(value)


def _justification(value: str) -> str:
    if wrong := judge_justification(value):
        raise ValueError(wrong)
    return value


def _not_too_broad(rule: IgnoreRule) -> IgnoreRule:
    narrow = (
        (rule.id and narrows_ids(rule.id))
        or (rule.package and narrows_packages(rule.package))
        or (rule.path and says_something(rule.path))
    )
    if not narrow:
        raise ValueError(
            "this rule would hide everything of a kind: it needs an id, a package or a path that says more than"
            " `*` (target, owner and scan only narrow these)"
        )
    return rule


RULE = Keys(
    IgnoreRule,
    without=("name",),
    checks={"reason": _reason, "justification": _justification},
    check=_not_too_broad,
    build=lambda values: IgnoreRule(name="", **values),
)


class IgnoreFile(Section):
    """A whole ignore file.

    Attributes:
        ignore: the rules.
    """

    ignore: tuple[Annotated[IgnoreRule, RULE], ...] | None = None


def read_rules(
    path: Path, *, name: str | None = None, scans: Collection[str] = (), now: datetime | None = None
) -> tuple[IgnoreRule, ...]:
    """The rules of an ignore file.

    Args:
        path: the file.
        name: what to call it; its path when left out.
        scans: names of the scans there are; none to accept any.
        now: with a time zone; what `expires` may not be too far from.

    Raises:
        SourceError: it cannot be read, or has mistakes, each with its line.
    """
    name = name or str(path)
    return parse_rules(read_text(path, name=name), name, scans=scans, now=now)


def parse_rules(
    text: str, name: str, *, scans: Collection[str] = (), now: datetime | None = None
) -> tuple[IgnoreRule, ...]:
    """The rules of an ignore file's text; see `read_rules`."""
    source = parse_yaml(text, name)
    if not isinstance(source.data, dict) or KEY not in source.data:
        raise SourceError([source.wrong((), f"an ignore file has the key `{KEY}` with a list of rules")])
    file, problems = validate(IgnoreFile, source)
    rules = dict(enumerate(file.ignore or ())) if file else _sound(source.data[KEY])
    problems += _judge(rules, source, scans, now or datetime.now(UTC))
    if problems:
        raise SourceError(sorted(problems, key=lambda problem: problem.line))
    return tuple(replace(rule, name=f"{name}:{source.lines[KEY, index]}") for index, rule in rules.items())


def _sound(data: object) -> dict[int, IgnoreRule]:
    """The rules that are right by themselves, by their place, so that what else is wrong with them is reported too."""
    found = {}
    for index, item in enumerate(data if isinstance(data, list) else ()):
        with suppress(ValidationError):
            found[index] = RULE.read(item, by_alias=True, by_name=False)
    return found


def _judge(rules: Mapping[int, IgnoreRule], source: Source, scans: Collection[str], now: datetime) -> Iterator[Problem]:
    """What is wrong with rules beyond their own keys."""
    seen: dict[tuple[str, ...], int] = {}
    for index, rule in rules.items():
        place = (KEY, index)
        if scans and rule.scan and not any(map(glob(rule.scan), scans)):
            wrong = f"{rule.scan!r} matches no scan" if is_glob(rule.scan) else unknown_scan(rule.scan, scans)
            yield source.wrong((*place, "scan"), wrong)
        if rule.expires and datetime.fromisoformat(rule.expires) > now + LONGEST + timedelta(days=1):
            latest = (now + LONGEST).date()
            yield source.wrong(
                (*place, "expires"),
                f"more than {LONGEST.days} days ahead; take {latest} at most, and look at the rule again then",
            )
        key = tuple(folded(rule.id) if name == "id" else getattr(rule, name) for name in PATTERNS)
        if key in seen:
            line = source.lines[KEY, seen[key]]
            yield source.wrong(place, f"this rule is the same as the one in line {line}; remove one of them")
        seen.setdefault(key, index)
