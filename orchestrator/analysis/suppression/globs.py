"""Globs as people write them in ignore rules: which are too broad, and which of many match a text, quickly.

`*`, `?` and `[…]` as in `fnmatch`; `*` matches across `/` too. Case matters, except in ids (`fold=True`).
"""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import translate
from typing import TYPE_CHECKING
from urllib.parse import unquote

from orchestrator.packages.ecosystems import DISTRIBUTIONS, type_of, without_qualifiers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MAGIC = re.compile(r"[*?]|\[[^\]]+\]")
# Pairs of ids that have nothing in common but their kind; a glob that matches both hides all of that kind.
_UNRELATED = (
    ("cve-1999-0001", "cve-2031-87654"),
    ("ghsa-2c4m-59x9-fr2g", "ghsa-xv7p-qj8w-mh36"),
    ("rhsa-2003:1", "rhsa-2031:87654"),
    ("dsa-1-1", "dsa-98765-2"),
    ("usn-1-1", "usn-98765-2"),
)
# Answers that are remembered for each set of globs: memory stays bounded however many paths a run has.
REMEMBERED = 200_000


def is_glob(pattern: str) -> bool:
    """Whether it can match more than itself."""
    return bool(_MAGIC.search(pattern))


def says_something(pattern: str) -> bool:
    """Whether some of it has to stand in the text as it is: more than punctuation, and of a glob two characters."""
    return len(re.sub(r"[\W_]", "", _MAGIC.sub("", pattern))) > is_glob(pattern)


def narrows_ids(pattern: str) -> bool:
    """Whether a pattern means particular ids, and not all of a kind (`CVE-*`)."""
    matches = matcher(pattern, fold=True)
    return says_something(pattern) and not any(matches(one) and matches(other) for one, other in _UNRELATED)


def narrows_packages(pattern: str) -> bool:
    """Whether a pattern means particular packages, and not all of a type or distribution (`pkg:deb/debian/*`)."""
    text = unquote(without_qualifiers(pattern)).casefold()
    if not text.startswith("pkg:"):
        return says_something(pattern)
    kind, _, rest = text.removeprefix("pkg:").lstrip("/").partition("/")
    if type_of(kind) != "golang":
        rest = rest.partition("#")[0]
    rest = re.sub(r"@[^/]*$", "", rest)
    # Namespaces of distributions are not makers: the name alone narrows.
    return says_something(rest.rpartition("/")[2] if type_of(kind) in DISTRIBUTIONS else rest)


def matcher(pattern: str, *, fold: bool = False) -> Callable[[str], bool]:
    """A function that tells whether a text matches."""
    if fold:
        inner = matcher(pattern.casefold())
        return lambda text: inner(text.casefold())
    if not is_glob(pattern):
        return pattern.__eq__
    compiled = re.compile(translate(pattern)).match
    return lambda text: compiled(text) is not None


class Globs:
    """Many patterns at once, each with a number: which of them match a text.

    Literal ones are looked up; a glob that demands a whole segment of a path (`*/testdata/*`) is tried only where that
    segment is; the others are tried one by one only on what their union matches. Answers are remembered.
    """

    def __init__(self, patterns: Iterable[tuple[str, int]]) -> None:
        self._literal: dict[str, list[int]] = {}
        self._by_segment: dict[str, list[tuple[Callable[[str], bool], int]]] = {}
        self._globs: list[tuple[Callable[[str], bool], int]] = []
        union = []
        patterns = list(patterns)
        often = Counter(segment for pattern, _ in patterns for segment in _segments(pattern))
        for pattern, number in patterns:
            if not is_glob(pattern):
                self._literal.setdefault(pattern, []).append(number)
            elif segments := _segments(pattern):
                segment = min(segments, key=often.__getitem__)  # of all patterns' the rarest leads to the fewest
                self._by_segment.setdefault(segment, []).append((matcher(pattern), number))
            else:
                self._globs.append((matcher(pattern), number))
                union.append(f"(?:{translate(pattern)})")
        self._union = re.compile("|".join(union)).match if union else None
        self.known: dict[str, tuple[int, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self._literal or self._by_segment or self._globs)

    def __call__(self, text: str) -> tuple[int, ...]:
        """Numbers of the patterns that match, each once."""
        found = self.known.get(text)
        if found is None:
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            found = self.known[text] = self._find(text)
        return found

    def _find(self, text: str) -> tuple[int, ...]:
        found = self._literal.get(text, [])
        if self._by_segment and not self._by_segment.keys().isdisjoint(segments := text.split("/")):
            near = [each for segment in set(segments) for each in self._by_segment.get(segment, ())]
            found = found + [number for matches, number in near if matches(text)]
        if self._union is not None and self._union(text):
            found = found + [number for matches, number in self._globs if matches(text)]
        return tuple(found)


def _segments(pattern: str) -> list[str]:
    """The parts between two slashes, or between one and an end, that have to be there as they are."""
    return [part for part in pattern.split("/") if part and not set("*?[]") & set(part)] if "/" in pattern else []
