"""Ids of findings, however people and scanners write them: the one place that says when two are the same.

Case means nothing (`ghsa-…`), and neither does what comes along when an id is copied out of a page, a mail or a table:
blanks around it, of whatever kind, characters that nobody sees, and dashes that only look like a hyphen.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.kit.matching import glob, is_glob

if TYPE_CHECKING:
    from collections.abc import Callable

_DASHES = {ord(each): "-" for each in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"}
_UNSEEN = frozenset({"Cf"})


def clean(text: str) -> str:
    """An id without what was copied along with it; in its own case."""
    if text.isascii():
        return text.strip()
    seen = (each for each in text.translate(_DASHES) if unicodedata.category(each) not in _UNSEEN)
    return unicodedata.normalize("NFKC", "".join(seen)).strip()


def folded(text: str) -> str:
    """What two ids are compared by, and looked up by: equal for all spellings of one id."""
    return clean(text).upper()


@lru_cache(maxsize=4096)
def id_matcher(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether an id is meant by what somebody wrote: an id, or a glob of such."""
    wanted = folded(pattern)
    if not is_glob(wanted):
        return lambda text: folded(text) == wanted
    matches = glob(wanted)
    return lambda text: matches(folded(text))
