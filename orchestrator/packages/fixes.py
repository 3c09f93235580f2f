"""The best fixed version: the lowest in which no record that knows a fix finds the vulnerability any more.

A record is what one advisory says of one package. The versions that it names are of several branches, and one of them
is enough; the versions of several records must all be reached. Versions are ordered as their ecosystem orders them, by
the library univers.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from orchestrator.kit.remembering import SPELLINGS
from orchestrator.kit.version_order import LONGEST, UNREADABLE, class_of
from orchestrator.packages.ecosystems import WITH_EPOCH

RECORDS = "; "
"""What stands between the fixes of several records, where a text has to hold them all; branches have `, `."""

_LONGEST_CACHED = 500
_NO_FIX = re.compile(r"(?:won'?t|will not|not|never|no)[ _-]+(?:be[ _-]+)?fix", re.IGNORECASE)
_NOTE = re.compile(r"\([^()]*[^\d.,()\[\]<>= -][^()]*\)")
_BRANCH = re.compile(r"\|\||,")
# Debian has `~`, RPM `^` within versions, so these are operators only where a word begins.
_OPERATOR = re.compile(r"(>=|<=|==|(?<!\S)(?:~>|[~^])|[<>=])\s*")
_PLAIN = re.compile(r"[0-9A-Za-z][\w.+~^:-]*")


def is_plain(text: str) -> bool:
    """Whether a text is one version, so that there is nothing to choose."""
    return _PLAIN.fullmatch(text) is not None


def joined(ecosystem: str, installed: str, records: Iterable[Iterable[str]]) -> str:
    """The fixes of several records as one text: the best one, or all of them where versions cannot be ordered.

    Args:
        ecosystem: type of the package URL; empty when unknown.
        installed: the installed version.
        records: the fixed versions of each record.
    """
    texts = tuple(dict.fromkeys(text for record in records if (text := ", ".join(dict.fromkeys(record)))))
    if len(texts) > 1 and class_of(ecosystem) is not None:
        return best_fix(ecosystem, installed, texts)
    return RECORDS.join(texts)


def best_fix(ecosystem: str, installed: str, fixes: tuple[str, ...]) -> str:
    """Choose one fixed version among those that records name.

    Of each record it is the lowest above the installed version (its lowest, when none is), and of these the highest.

    Args:
        ecosystem: type of the package URL.
        installed: the installed version.
        fixes: for each record that knows a fix what it says, versions of branches joined by `, `; one text may hold
            several records, joined by `; `. Ranges (`>= 1.2`) stand for where they begin.

    Returns:
        One version; in an unknown ecosystem, or where no version can be read, all the texts joined by `, `; empty
        when they say that there is no fix.
    """
    short = sum(map(len, fixes)) < _LONGEST_CACHED
    return _cached_best_fix(ecosystem, installed, fixes) if short else _best_fix(ecosystem, installed, fixes)


def _best_fix(ecosystem: str, installed: str, fixes: tuple[str, ...]) -> str:
    records = [
        [part for each in _BRANCH.split(record) if (part := each.strip()) and not _denied(part)]
        for text in fixes
        for record in text.split(RECORDS[0])
    ]
    chosen = [found for parts in records if (found := _lowest(ecosystem, installed, parts))]
    if not chosen:
        return ", ".join(dict.fromkeys(part for parts in records for part in parts))
    best, highest = chosen[0]
    for text, value in chosen[1:]:
        if _less(highest, value):
            best, highest = text, value
    return best


_cached_best_fix = lru_cache(maxsize=SPELLINGS)(_best_fix)


def _denied(part: str) -> bool:
    """Whether it says that there is no fix (`1.2 (won't fix)`)."""
    return len(part) < LONGEST and _NO_FIX.search(part) is not None


def _lowest(ecosystem: str, installed: str, parts: Sequence[str]) -> tuple[str, Any] | None:
    """The lowest version above the installed one of those that one record names, with its value to compare by."""
    versions = dict.fromkeys(version for part in parts for version in _candidates(part))
    values = [(each, _value(ecosystem, _with_epoch(ecosystem, each, installed))) for each in versions]
    readable = [(each, value) for each, value in values if value is not None]
    present = _value(ecosystem, installed)
    above = [pair for pair in readable if present is not None and _less(present, pair[1])]
    return _minimum(above or readable)


def _candidates(part: str) -> Iterable[str]:
    """The versions in a text; those that only bound a range from above are left out."""
    if len(part) > LONGEST:
        return
    for word in _OPERATOR.sub(r" \1", _NOTE.sub(" ", part)).split():
        version = word.lstrip(">=^~[(").rstrip("])")
        if version and word[0] != "<" and not (word[0] == ">" and word[1] != "="):
            yield version


def _with_epoch(ecosystem: str, version: str, installed: str) -> str:
    """A version with the epoch of the installed one where it has none: advisories leave it out."""
    if ecosystem in WITH_EPOCH and ":" in installed and ":" not in version:
        return f"{installed.partition(':')[0]}:{version}"
    return version


def _minimum(pairs: Sequence[tuple[str, Any]]) -> tuple[str, Any] | None:
    lowest = None
    for pair in pairs:
        if lowest is None or _less(pair[1], lowest[1]):
            lowest = pair
    return lowest


def _less(one: Any, other: Any) -> bool:
    try:
        return bool(one < other)
    except UNREADABLE:
        return False


@lru_cache(maxsize=1 << 14)
def _value(ecosystem: str, version: str) -> Any:
    """What a version is compared by; None when the ecosystem or the version is not understood."""
    kind = class_of(ecosystem)
    if kind is None or not version or len(version) > LONGEST or not any(map(str.isdigit, version)):
        return None
    if ecosystem == "golang":
        version = version.removeprefix("go").partition("+incompatible")[0]
    try:
        return kind(version)
    except UNREADABLE:
        return None
