"""The one grammar of patterns that people write, wherever they write them: in sources, rules, routes and searches.

* a glob: `*`, `?` and `[…]` as in `fnmatch`; `*` matches across `/` too. Case matters, unless `fold` is asked for.
* where a source of targets chooses names: also a regular expression between slashes, which has to match the whole name.

Everything here takes linear time, anybody who wrote the pattern and anybody who wrote the text: `fnmatch` makes groups
that are never entered again, and expressions are those of RE2, which has neither back-references nor look-around.
"""

from __future__ import annotations

import re
from collections import Counter
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# A class as `fnmatch` reads it: a `]` right after `[` or `[!` is one of its characters.
_MAGIC = re.compile(r"[*?]|\[!?+\]?+[^\]]*\]")
_CLASS = re.compile(r"\[(!?+\]?+[^\]]*+)\]")
#: Answers that are remembered for each set of globs: memory stays bounded however many paths a run has.
REMEMBERED: Final = 200_000
#: Compiled patterns that are remembered; those of one configuration fit several times.
_COMPILED: Final = 4096


def is_glob(pattern: str) -> bool:
    """Whether it can match more than itself."""
    return bool(_MAGIC.search(pattern))


def says_something(pattern: str) -> bool:
    """Whether some of it has to stand in the text as it is: more than punctuation, and of a glob two characters."""
    return len(re.sub(r"[\W_]", "", _MAGIC.sub("", pattern))) > is_glob(pattern)


@lru_cache(maxsize=_COMPILED)
def glob(pattern: str, *, fold: bool = False) -> Callable[[str], bool]:
    """A function that tells whether a text matches a glob."""
    if fold:
        inner = glob(pattern.casefold())
        return lambda text: inner(text.casefold())
    if not is_glob(pattern):
        return pattern.__eq__
    compiled = re.compile(translate(pattern)).match
    return lambda text: compiled(text) is not None


def re2_of(pattern: str) -> str:
    """A glob as an expression of RE2 that matches the whole of the same texts, for those who read no globs."""
    parts, at = [], 0
    while at < len(pattern):
        one = pattern[at]
        at += 1
        if one in "*?":
            parts.append(".*" if one == "*" else ".")
        elif one == "[" and (found := _CLASS.match(pattern, at - 1)):
            parts.append(_class_of(found[1]))
            at = found.end()
        else:
            parts.append(re.escape(one) if not one.isspace() else one)
    return f"(?s)^(?:{''.join(parts)})$"


def _class_of(inner: str) -> str:
    """A class of `fnmatch` as RE2 has it; an empty range matches nothing, which `fnmatch` has as well."""
    negated = inner.startswith("!")
    inner = inner[negated:]
    ranges, at = [], 0
    while at < len(inner):
        first = last = inner[at]
        if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
            last = inner[at + 2]
            at += 2
        at += 1
        if first <= last:
            ranges.append(f"\\x{{{ord(first):x}}}-\\x{{{ord(last):x}}}")
    if not ranges:
        return "." if negated else r"[^\x{0}-\x{10FFFF}]"
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def any_glob(texts: Iterable[str], patterns: Iterable[str], *, fold: bool = False) -> bool:
    """Whether one of the texts matches one of the globs."""
    matchers = [glob(pattern, fold=fold) for pattern in patterns]
    return any(matches(text) for text in texts for matches in matchers)


def is_expression(pattern: str) -> bool:
    """Whether it is a regular expression, between slashes."""
    return len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/")


def is_name(pattern: str) -> bool:
    """Whether it stands for one name only."""
    return not is_glob(pattern) and not is_expression(pattern)


def check_pattern(pattern: str) -> str:
    """The pattern itself, if it is a name, a glob or an expression that can be used.

    Raises:
        ValueError: it is between slashes, and no regular expression of RE2.
    """
    if is_expression(pattern):
        _expression(pattern)
    return pattern


def any_pattern(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns, globs or expressions, means the whole name."""
    return any(_expression(pattern)(name) if is_expression(pattern) else glob(pattern)(name) for pattern in patterns)


@lru_cache(maxsize=_COMPILED)
def searched(expression: str) -> Callable[[str], bool]:
    """A function that tells whether a regular expression matches anywhere in a text.

    Raises:
        ValueError: it is no regular expression of RE2.
    """
    compiled = _compiled(expression, expression)
    return lambda text: compiled.search(_encodable(text)) is not None


@lru_cache(maxsize=_COMPILED)
def matched_whole(expression: str, written: str = "") -> Callable[[str], bool]:
    """A function that tells whether a regular expression matches the whole of a text.

    Args:
        expression: it.
        written: as it was written, for messages, where that is something else.

    Raises:
        ValueError: it is no regular expression of RE2.
    """
    compiled = _compiled(expression, written or expression)
    return lambda text: compiled.fullmatch(_encodable(text)) is not None


def _expression(pattern: str) -> Callable[[str], bool]:
    return matched_whole(pattern[1:-1], pattern)


def _compiled(expression: str, pattern: str) -> Any:
    import re2  # noqa: PLC0415 - few configurations have an expression

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        said = b"".join(error.args).decode("utf-8", "replace")
        raise ValueError(
            f"{pattern} is not a regular expression: {said}; it is read as RE2 does, without look-around and"
            " back-references"
        ) from error


def _encodable(text: str) -> str:
    """A text out of a file may hold what no text in UTF-8 can."""
    return text.encode("utf-8", "replace").decode()


class Globs:
    """Many globs at once, each with a number: which of them match a text.

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
                self._by_segment.setdefault(segment, []).append((glob(pattern), number))
            else:
                self._globs.append((glob(pattern), number))
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
