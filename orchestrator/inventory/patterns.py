"""Names, globs, and `/regular expressions/`, as sources of targets have them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.config.targets import ClusterSource

_GLOB = re.compile(r"[*?\[]")


def is_name(pattern: str) -> bool:
    """Whether it stands for one name only."""
    return not _GLOB.search(pattern) and not _is_expression(pattern)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns means the whole name."""
    return any(
        re.fullmatch(pattern[1:-1], name) if _is_expression(pattern) else fnmatchcase(name, pattern)
        for pattern in patterns
    )


def is_meant(namespace: str, source: ClusterSource) -> bool:
    """Whether a source of targets means a namespace."""
    return matches(namespace, source.namespaces) and not matches(namespace, source.exclude)


def scopes(source: ClusterSource) -> tuple[str, ...]:
    """Namespaces to ask for one by one, where all are named; else the empty name, which stands for all of them."""
    names = source.namespaces
    if not all(is_name(name) for name in names):
        return ("",)
    return tuple(name for name in dict.fromkeys(names) if is_meant(name, source))


def _is_expression(pattern: str) -> bool:
    return len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/")
