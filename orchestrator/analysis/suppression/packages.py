"""The packages of VEX statements, held against those of findings: both become keys, equal or not.

What a package is, `orchestrator.packages` says, for statements and findings alike: a statement holds whichever scanner
found the row, and however either spells it. The version must be the same one; `orchestrator.packages.qualifiers` is
about the qualifiers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote

from orchestrator.kit.remembering import SPELLINGS
from orchestrator.packages.ecosystems import is_purl, plain_version
from orchestrator.packages.identity import canonical
from orchestrator.packages.spellings import (
    Versions,
    key_meant,
    keys_in,
    names_in,
    names_meant,
    versions_of,
)

#: The key that every package and every target has.
ANY = ""
#: How the package URL of a package begins that no ecosystem has rules for.
GENERIC = "pkg:generic/"


class PackageKey(NamedTuple):
    """A package: equal keys are the same one, in some of these versions.

    Attributes:
        keys: of which one is enough.
        versions: spellings of the version; none for every version.
        installed: of a finding's package the version itself, for ranges; empty when unknown.
    """

    keys: tuple[str, ...]
    versions: frozenset[str] = frozenset()
    installed: str = ""


@lru_cache(maxsize=SPELLINGS)
def package_of(text: str, version: str = "") -> PackageKey:
    """A statement's package: a package URL, or a bare name with a version; empty for everything in the target."""
    if not text:
        return PackageKey((ANY,))
    if text.startswith(GENERIC):
        return _generic(text)
    package = canonical(text, "", version if is_purl(text) else "")
    if package.ecosystem and is_purl(text):
        return PackageKey((key_meant(package),), versions_of(package.ecosystem, package.version).texts)
    return PackageKey(tuple(f"name:{each}" for each in names_meant(text)), _any_kind(version).texts)


def _generic(text: str) -> PackageKey:
    """What scanners know by its name alone, or call generic themselves.

    Read by hand, because names that no ecosystem has rules for hold slashes and spaces, which the library takes away.
    """
    name, at, version = text.removeprefix(GENERIC).partition("?")[0].partition("#")[0].rpartition("@")
    name, version = (unquote(name), unquote(version)) if at else (unquote(version), "")
    key = f"{GENERIC}{name}".casefold()
    return PackageKey((f"bare:{name}", key), frozenset({version} if version else ()))


def generic_purl(name: str, version: str) -> str:
    """The package URL of a package that has none, which `package_of` reads back as it was."""
    return f"{GENERIC}{quote(name, safe='')}" + (f"@{quote(version, safe='')}" if version else "")


@lru_cache(maxsize=SPELLINGS)
def package_in(purl: str, name: str, version: str) -> PackageKey:
    """A finding's package, under every key that a statement may have for it.

    Args:
        purl: as the merged row has it; empty for none.
        name: as the scanner spells it.
        version: likewise.
    """
    package = canonical(purl, name, version)
    own = keys_in(package) if package.ecosystem and purl else (f"bare:{name}",)
    names = [f"name:{each}" for each in names_in(purl, name)]
    answers = versions_of(package.ecosystem, package.version).answers | _any_kind(version).answers
    return PackageKey((ANY, *own, *names), answers, package.version)


def _any_kind(version: str) -> Versions:
    """The spellings of a version of which nobody says what ecosystem it is of; a `v` as Go has it means nothing."""
    return versions_of("", plain_version("golang", version.strip().removeprefix("0:")))
