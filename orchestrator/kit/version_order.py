"""How versions of an ecosystem are ordered: which class of the library univers reads them, and what it raises."""

from __future__ import annotations

from functools import cache
from typing import Any

#: What univers raises for texts that are no versions, when it reads and when it compares them.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError)

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
