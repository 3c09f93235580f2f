"""Everything that a configuration tells to suppress, read when a run is planned."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.analysis.suppression import vex
from orchestrator.analysis.suppression.rules import read_rules
from orchestrator.kit.sources import Problem, SourceError
from orchestrator.model import Suppression

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.config.loading import Config
    from orchestrator.model import IgnoreRule

_log = logging.getLogger(__name__)

MOST_STATEMENTS = 100_000
"""Most VEX statements of all documents: they travel in the plan."""


def load(config: Config, scans: Collection[str] = (), *, now: datetime | None = None) -> Suppression:
    """The rules and VEX statements of a configuration.

    Rules that have ended, and what is wrong with single statements, are named in the log: they stop no run.

    Args:
        config: names the files; relative paths start from its folder.
        scans: names of the scans there are; none to accept any in rules.
        now: with a time zone; what `expires` of rules may not be too far from.

    Raises:
        SourceError: files are missing, or have mistakes; all are reported at once.
    """
    section = config.suppression
    problems: list[Problem] = []
    rules: tuple[IgnoreRule, ...] = ()
    if section.rules is not None:
        try:
            path = config.base / Path(section.rules).expanduser()
            rules = read_rules(path, name=section.rules, scans=scans, now=now)
        except SourceError as error:
            problems += error.problems
    documents = vex.read_all(config)
    problems += [problem for document in documents for problem in document.problems]
    statements = tuple(statement for document in documents for statement in document.statements)
    if len(statements) > MOST_STATEMENTS:
        problems.append(
            Problem(
                config.file,
                0,
                f"suppression.vex: {len(statements)} statements, more than {MOST_STATEMENTS}; name fewer documents",
            )
        )
    if problems:
        raise SourceError(problems)
    moment = now or datetime.now(UTC)
    for rule in rules:
        if rule.expires and datetime.fromisoformat(rule.expires) <= moment:
            _log.warning("%s: EXPIRED %s: it suppresses nothing any more (%s)", rule.name, rule.expires, rule.reason)
    notes = tuple(remark for document in documents for remark in document.remarks())
    for note in notes:
        _log.warning("VEX %s", note)
    return Suppression(rules=rules, statements=statements, notes=notes, scanners=section.scanners)
