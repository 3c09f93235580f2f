"""How versions of an ecosystem are ordered: which class of the library univers reads them, and what it raises."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

#: What univers raises for texts that are no versions, when it reads and when it compares them.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError)

_NUMBER = "(?:0|[1-9][0-9]{0,17})"
_PRE_RELEASE = f"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
#: Of Semantic Versioning 2.0.0 without a build's name; minor and patch may be left out, as tags of images do.
_SEMANTIC = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,2}}(?:-{_PRE_RELEASE}(?:\.{_PRE_RELEASE})*)?")

LONGEST = 200
"""Most characters of a version that is read."""

#: The class of univers by type of package URL.
CLASSES = {
    "alpm": "ArchLinuxVersion",
    "apk": "AlpineLinuxVersion",
    "bitnami": "SemverVersion",
    "cargo": "SemverVersion",
    "cocoapods": "RubygemsVersion",
    "composer": "ComposerVersion",
    "conan": "ConanVersion",
    "deb": "DebianVersion",
    "ebuild": "GentooVersion",
    "gem": "RubygemsVersion",
    "github": "SemverVersion",
    "golang": "GolangVersion",
    "hex": "SemverVersion",
    "maven": "MavenVersion",
    "npm": "SemverVersion",
    "nuget": "NugetVersion",
    "pub": "SemverVersion",
    "pypi": "PypiVersion",
    "rpm": "RpmVersion",
    "swift": "SemverVersion",
}


@cache
def class_of(ecosystem: str) -> Any:
    """The class of univers for a type of package URL; None for an ecosystem whose order is not known."""
    from univers import versions  # noqa: PLC0415 - only where there is something to compare

    name = CLASSES.get(ecosystem)
    return getattr(versions, name) if name else None


def semantic(text: str) -> Any:
    """A semantic version, `v1.2` and `7` too, as univers orders it; None for what is none.

    univers itself reads any text as such a version, and drops what does not fit.
    """
    from univers.versions import SemverVersion  # noqa: PLC0415 - only where there is something to compare

    text = text.removeprefix("v")
    return SemverVersion(text) if len(text) <= LONGEST and _SEMANTIC.fullmatch(text) else None
