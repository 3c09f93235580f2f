"""The packages of VEX statements and ignore rules, held against those of findings: both become keys, equal or not.

Package URLs: https://github.com/package-url/purl-spec. Type, namespace and name are compared without regard to case
(most types demand lower case, and not every author obeys), the version exactly, qualifiers and subpath not at all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from orchestrator.results.ecosystems import PUNCTUATION, WITH_V

if TYPE_CHECKING:
    from packageurl import PackageURL

#: The key that every package and every target has.
ANY = ""
_GENERIC = "pkg:generic/"
_LEADING_V = re.compile(r"^[vV](?=\d)")


class PackageKey(NamedTuple):
    """A package: equal keys are the same one, in some of these versions.

    Attributes:
        keys: of which one is enough.
        versions: spellings of the version; none for every version.
    """

    keys: tuple[str, ...]
    versions: frozenset[str] = frozenset()


@lru_cache(maxsize=100_000)
def package_of(text: str, version: str = "") -> PackageKey:
    """A statement's package: a package URL, or a bare name with a version; empty for everything in the target."""
    if not text:
        return PackageKey((ANY,))
    if text.startswith(_GENERIC):
        return _generic(text)
    purl = parse(text)
    if purl is None:
        return PackageKey((f"name:{text}",), frozenset({version} if version else ()))
    return PackageKey((_purl_key(purl),), _versions(purl))


def _generic(text: str) -> PackageKey:
    """What scanners know by its name alone, or call generic themselves.

    Read by hand, because names that no ecosystem has rules for hold slashes and spaces, which the library takes away.
    """
    name, at, version = text.removeprefix(_GENERIC).partition("?")[0].partition("#")[0].rpartition("@")
    name, version = (unquote(name), unquote(version)) if at else (unquote(version), "")
    return PackageKey((f"bare:{name}", _key(_GENERIC + name)), frozenset({version} if version else ()))


def generic_purl(name: str, version: str) -> str:
    """The package URL of a package that has none, which `package_of` reads back as it was."""
    return f"{_GENERIC}{quote(name, safe='')}" + (f"@{quote(version, safe='')}" if version else "")


@lru_cache(maxsize=50_000)
def package_in(purl: str, name: str, version: str) -> PackageKey:
    """A finding's package, under every key that a statement may have for it.

    Args:
        purl: canonical, so that nothing but its percent-encoding needs to be undone; empty for none.
        name: as the scanner spells it.
        version: likewise.
    """
    body, _, pinned = purl.partition("?")[0].partition("@")
    keys = [ANY, _key(unquote(body)) if purl else f"bare:{name}"]
    keys += [f"name:{each}" for each in names_of_package(name, purl)]
    kind = purl.removeprefix("pkg:").partition("/")[0]
    return PackageKey(tuple(keys), _plain(kind, version) | _plain(kind, unquote(pinned)))


@lru_cache(maxsize=50_000)
def names_of_package(name: str, purl: str) -> tuple[str, ...]:
    """What scanners call a package: as the first of them spells it, and as its package URL says, group before or not.

    One rule or statement shall mean the same package whoever found it: `log4j-core` is Grype's name, and
    `org.apache.logging.log4j:log4j-core` Trivy's.

    Args:
        name: as the scanner spells it.
        purl: canonical; empty for none.
    """
    body = unquote(purl.partition("@")[0]).partition("/")[2]
    group, _, last = body.rpartition("/")
    found = [name, last, *((f"{group}:{last}", body) if group else ())]
    return tuple(dict.fromkeys(each for each in found if each))


def parse(text: str) -> PackageURL | None:
    """A package URL; None for anything else."""
    from packageurl import PackageURL  # noqa: PLC0415 - only where there are statements

    if not text.startswith("pkg:"):
        return None
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None


def _purl_key(purl: PackageURL) -> str:
    name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
    return _key(f"pkg:{purl.type}/{name}")


def _key(text: str) -> str:
    """Type, namespace and name without differences that mean nothing: case, and in PyPI punctuation (PEP 503)."""
    text = text.casefold()
    return PUNCTUATION.sub("-", text) if text.startswith("pkg:pypi/") else text


def _versions(purl: PackageURL) -> frozenset[str]:
    """Spellings of the version, with and without the epoch that stands among the qualifiers."""
    version = purl.version or ""
    epoch = dict(purl.qualifiers or {}).get("epoch", "")
    found = _plain(purl.type, version)
    return found | {f"{epoch}:{version}"} if epoch and version else found


def _plain(kind: str, version: str) -> frozenset[str]:
    """A version without what means nothing: an epoch of 0, and where versions are numbers a `v` before them."""
    if not version:
        return frozenset()
    version = version.removeprefix("0:")
    if kind in WITH_V:
        version = _LEADING_V.sub("", version.removesuffix("+incompatible"))
    return frozenset({version})
