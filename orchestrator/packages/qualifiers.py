"""Qualifiers and subpath of package URLs: what they narrow a statement or rule to, and whether that is what was found.

https://github.com/package-url/purl-spec, "Known qualifiers" and the types' own. A package URL with `arch=armhf` means
the package of that architecture and no other, so whatever an author writes must hold. What a scanner does not say of a
package is taken from the target where that decides it, and else does not hold: nothing is hidden by a guess.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from orchestrator.kit import matching
from orchestrator.kit.remembering import SPELLINGS
from orchestrator.packages.distributions import distribution
from orchestrator.packages.ecosystems import is_purl, type_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SUBPATH = "#"
"""The key under which a subpath stands among qualifiers."""

# These say nothing of which package is meant: what it was built from, a reference of Syft's, and the epoch, which
# `orchestrator.packages.identity` makes a part of the version.
_SILENT = frozenset({"epoch", "package-id", "upstream"})
# The module that an RPM is of (`nodejs:18`), which Trivy calls by its label (`nodejs:18:8090020231201:a75119d5`).
_MODULE = "rpmmod"
_SPELLINGS = {"modularitylabel": _MODULE}
_QUALIFIERS = re.compile(r"\?([A-Za-z][\w.-]*=[^#]*)")
_ARCHITECTURES = {
    "386": "386", "i386": "386", "i486": "386", "i586": "386", "i686": "386", "x86": "386", "x86_64": "amd64",
    "x64": "amd64", "aarch64": "arm64", "arm64v8": "arm64", "armv7": "armhf", "armv7l": "armhf", "armv7hl": "armhf",
    "ppc64el": "ppc64le", "noarch": "all", "any": "all", "source": "src",
}  # fmt: skip
# What an image of the architecture `arm` may hold (its variant is not always known).
_ARM = frozenset({"arm", "armhf", "armel", "arm32v7", "arm32v6"})
_VERSION = re.compile(r"[^/@]@[^*?\[\]/@]+\Z")
_LONGEST = 100
_RELEASE = re.compile(r"(?:(.*?)[-_ /]?)?v?(\d[\w.]*)", re.DOTALL)
_RELEASES = {
    "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
    "sid": "sid", "unstable": "sid", "edge": "edge", "trusty": "14.04", "xenial": "16.04", "bionic": "18.04",
    "focal": "20.04", "jammy": "22.04", "lunar": "23.04", "mantic": "23.10", "noble": "24.04", "oracular": "24.10",
    "plucky": "25.04", "questing": "25.10",
}  # fmt: skip
# Distributions of one family that have no release in common.
_EDITION = re.compile("leap|micro|stream|tumbleweed")
_OF_BUILDS = frozenset({"platform", _MODULE})
_OF_PLATFORMS = frozenset({"arch", "goarch", "os", "goos"})
# Qualifiers of types that mean this where they are left out; `module` is what cyclonedx-gomod writes.
_DEFAULTS = {("maven", "type"): "jar", ("golang", "type"): "module"}


class TargetSurroundings(NamedTuple):
    """What is known of a target, for qualifiers that scanners left out.

    Attributes:
        os: as the image index names it; empty when unknown.
        architecture: likewise.
        distributions: qualifiers `distro` of anything found in it.
    """

    os: str = ""
    architecture: str = ""
    distributions: frozenset[str] = frozenset()

    @classmethod
    def of(cls, platform: str, found: Iterable[Iterable[tuple[str, str]]] = ()) -> TargetSurroundings:
        """What its platform (`linux/arm64/v8`) and the qualifiers of each package found in it say of a target."""
        system, _, rest = platform.partition("/")
        distributions = {value for qualifiers in found for key, value in qualifiers if key == "distro" and value}
        return cls(system, rest.partition("/")[0], frozenset(distributions))


@lru_cache(maxsize=SPELLINGS)
def qualifiers_of(purl: str) -> tuple[tuple[str, str], ...]:
    """The qualifiers of a package URL that say which package is meant, sorted; the subpath under `SUBPATH`.

    A `?` that begins no qualifier is a wildcard of a pattern. The subpath of a Go module is a part of its name.
    """
    base, _, subpath = purl.partition("#")
    qualifiers = _QUALIFIERS.search(base)
    found = _pairs(qualifiers[1]) if qualifiers else ()
    if not subpath:
        return found
    parts = [part for part in unquote(subpath).split("/") if part not in {"", ".", ".."}]
    if parts and type_in(purl) != "golang":
        found = tuple(sorted((dict(found) | {SUBPATH: "/".join(parts)}).items()))
    return found


@lru_cache(maxsize=SPELLINGS)
def _pairs(qualifiers: str) -> tuple[tuple[str, str], ...]:
    """Those that say which package is meant, sorted: many packages of a target have the same ones."""
    found: dict[str, str] = {}
    for pair in qualifiers.split("&"):
        key, _, value = pair.partition("=")
        key, value = key.strip().lower(), unquote(value).strip()
        if value and key not in _SILENT:
            found[_SPELLINGS.get(key, key)] = value
    return tuple(sorted(found.items()))


def platforms_meant(pattern: str) -> Callable[[str], bool] | None:
    """Whether a package URL that is searched for may be in a target of a platform, by its qualifiers.

    Results keep no qualifiers of what was found, so that a search asks only for what the target itself decides: the
    architecture and the system. None for a name, and for a package URL without these: it may be anywhere.
    """
    demanded = [pair for pair in qualifiers_of(pattern) if pair[0] in _OF_PLATFORMS] if is_purl(pattern) else []
    if not demanded:
        return None

    def meant(platform: str) -> bool:
        return not platform or hold(demanded, "", (), TargetSurroundings.of(platform), exact=True, glob=True)

    return meant


def hold(
    demanded: Iterable[tuple[str, str]],
    kind: str,
    found: Iterable[tuple[str, str]],
    around: TargetSurroundings,
    *,
    exact: bool,
    glob: bool = False,
) -> bool:
    """Whether the qualifiers that an author demands are those of a package that was found.

    Args:
        demanded: as `qualifiers_of` gives them.
        kind: type of the package URL.
        found: those of the package, by everybody who found it; of several values of one each must be as demanded.
        around: the target.
        exact: whether the author names one version: then it says more than its distribution's release, which is
            forgiven, because scanners spell it differently or leave it out. So is the platform of a gem, and the module
            of an RPM, where no scanner says it: most write the platform behind the version, where it is no part of it.
        glob: whether values are patterns.
    """
    known: dict[str, set[str]] = {}
    for key, value in found:
        known.setdefault(key, set()).add(value)
    equal: Callable[[str, str], bool] = _matches if glob else str.__eq__
    return all(
        _holds(key, value, known.get(key, set()), (kind, around), equal)
        for key, value in demanded
        if not (exact and (key == "distro" or (key in _OF_BUILDS and key not in known)))
    )


def is_exact(purl: str) -> bool:
    """Whether a package URL, or a pattern for some, names one version."""
    return _VERSION.search(purl.partition("#")[0].partition("?")[0]) is not None


def _holds(
    key: str, demanded: str, found: set[str], where: tuple[str, TargetSurroundings], equal: Callable[[str, str], bool]
) -> bool:
    """One qualifier; without any value that was found what the target, or the type, says."""
    kind, around = where
    if key in {"arch", "goarch"}:
        wanted = architecture(demanded)
        if found:
            return all(equal(architecture(each), wanted) for each in found)
        return wanted == "all" or any(equal(each, wanted) for each in _of_platform(around.architecture))
    if key == "distro":
        found = found or set(around.distributions)
        return bool(found) and all(_same_release(each, demanded) or equal(each, demanded) for each in found)
    if key == _MODULE:
        return bool(found) and all(_begins_alike(each, demanded, ":") or equal(each, demanded) for each in found)
    if not found and key in {"os", "goos"}:
        found = {around.os} - {""}
    if not found and (default := _DEFAULTS.get((kind, key))):
        found = {default}
    return bool(found) and all(equal(each.casefold(), demanded.casefold()) for each in found)


def architecture(word: str) -> str:
    """An architecture as image indexes call it: `aarch64` is `arm64`."""
    return _ARCHITECTURES.get(word.lower(), word.lower())


def _of_platform(own: str) -> frozenset[str]:
    """The architectures that packages of an image may have; none when it is not known."""
    name = architecture(own)
    return _ARM if name == "arm" else frozenset({name} - {""})


def _same_release(found: str, demanded: str) -> bool:
    """Whether a qualifier `distro` is the release that is demanded; a point release (`debian-12.4`) is of its release.

    Without a release every one of that distribution is demanded: Wolfi has none, but the date of its image.
    """
    (name, release), (wanted, wanted_release) = _release(found), _release(demanded)
    if wanted and not wanted_release:
        return name == wanted and set(_EDITION.findall(demanded.lower())) <= set(_EDITION.findall(found.lower()))
    if not release or not wanted_release or (name and wanted and name != wanted):
        return False
    return _begins_alike(release, wanted_release, ".")


def _begins_alike(one: str, other: str, divider: str) -> bool:
    """Whether two numbers, or labels, are equal as far as both go."""
    return all(part == another for part, another in zip(one.split(divider), other.split(divider), strict=False))


@lru_cache(maxsize=1 << 12)
def _release(text: str) -> tuple[str, str]:
    """Name (of any spelling the one it has here) and number of a distribution's release; empty where it has none."""
    # Trivy writes what the system calls itself: `amazon-2 (Karoo)`.
    lower = text[:_LONGEST].partition("(")[0].strip(" +").lower()
    last = re.split(r"[-_ /]", lower)[-1]
    if number := _RELEASES.get(last):
        return "", number
    match = _RELEASE.fullmatch(lower)
    return (distribution(match[1] or ""), match[2]) if match else (distribution(lower), "")


def _matches(text: str, pattern: str) -> bool:
    return matching.glob(pattern)(text)
