"""Which patterns of ignore rules are too broad to be meant."""

from __future__ import annotations

import re
from urllib.parse import unquote

from orchestrator.kit.ids import id_matcher
from orchestrator.kit.matching import says_something
from orchestrator.packages.ecosystems import DISTRIBUTIONS, SCHEME, is_purl, type_of, without_qualifiers

# Pairs of ids that have nothing in common but their kind; a glob that matches both hides all of that kind.
_UNRELATED = (
    ("cve-1999-0001", "cve-2031-87654"),
    ("ghsa-2c4m-59x9-fr2g", "ghsa-xv7p-qj8w-mh36"),
    ("rhsa-2003:1", "rhsa-2031:87654"),
    ("dsa-1-1", "dsa-98765-2"),
    ("usn-1-1", "usn-98765-2"),
)


def narrows_ids(pattern: str) -> bool:
    """Whether a pattern means particular ids, and not all of a kind (`CVE-*`)."""
    matches = id_matcher(pattern)
    return says_something(pattern) and not any(matches(one) and matches(other) for one, other in _UNRELATED)


def narrows_packages(pattern: str) -> bool:
    """Whether a pattern means particular packages, and not all of a type or distribution (`pkg:deb/debian/*`)."""
    text = unquote(without_qualifiers(pattern)).casefold()
    if not is_purl(text):
        return says_something(pattern)
    kind, _, rest = text.removeprefix(SCHEME).lstrip("/").partition("/")
    if type_of(kind) != "golang":
        rest = rest.partition("#")[0]
    rest = re.sub(r"@[^/]*$", "", rest)
    # Namespaces of distributions are not makers: the name alone narrows.
    return says_something(rest.rpartition("/")[2] if type_of(kind) in DISTRIBUTIONS else rest)
