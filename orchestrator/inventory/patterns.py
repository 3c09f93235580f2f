"""Names, globs, and `/regular expressions/`, as sources of targets have them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def _is_expression(pattern: str) -> bool:
    return len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/")
