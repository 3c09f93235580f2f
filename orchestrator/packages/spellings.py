"""What people write to mean packages, held against packages: both sides become texts that are equal or match as globs.

All spellings go through `identity.canonical`, so a rule or statement means a package whichever scanner found it.
What an author leaves out means any: a version, an epoch, and of deb, rpm, apk and Arch packages the distribution.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from orchestrator.kit.matching import glob
from orchestrator.kit.remembering import SPELLINGS
from orchestrator.packages.distributions import distribution, spellings
from orchestrator.packages.ecosystems import (
    CALLED_BY_LAST,
    DISTRIBUTIONS,
    PUNCTUATION,
    SCHEME,
    WITH_EPOCH,
    is_purl,
    plain_version,
    type_of,
    without_qualifiers,
)
from orchestrator.packages.identity import Package, canonical

# What stands before texts that only a folded pattern means; nobody writes it.
_FOLDED = "\0"
_PUNCTUATED = "\0pypi:"
_MAGIC = re.compile(r"[*?]|\[[^\]]+\]")
# Stands before versions without their epoch: of what has one, and of what has none.
_ANY_EPOCH, _NO_EPOCH = "\0any:", "\0none:"
_WITH_EPOCH = re.compile(r"\d+:(.+)", re.DOTALL)
_EPOCH = re.compile(r"[?&]epoch=0*([1-9]\d*)", re.IGNORECASE)
# Types in which case means nothing in names.
_CASELESS = frozenset({"composer", "github", "golang", "hex", "npm", "nuget", "pub", "pypi"})


class Versions(NamedTuple):
    """Spellings of a version: two mean the same when one of the one's `texts` is one of the other's `answers`."""

    texts: frozenset[str]
    answers: frozenset[str]


@lru_cache(maxsize=SPELLINGS)
def key_of(package: Package) -> str:
    """What a statement about a package URL is compared by, version and distribution apart; case means nothing."""
    return unquote(package.key).casefold()


def keys_in(package: Package) -> tuple[str, ...]:
    """Every key by which a statement may mean a package that was found: of its distribution, and of any."""
    key = key_of(package)
    return (key, f"{key} {package.distribution}") if package.distribution else (key,)


def key_meant(package: Package) -> str:
    """The key of a statement's package: one of `keys_in` of every package that it means."""
    key = key_of(package)
    return f"{key} {package.distribution}" if package.distribution else key


@lru_cache(maxsize=SPELLINGS)
def versions_of(kind: str, version: str) -> Versions:
    """The spellings of a version, which is canonical; none for an empty one.

    Debian, RPM and Arch versions with an epoch mean the same as those without one, but not as those with another.
    """
    if not version:
        return Versions(frozenset(), frozenset())
    if kind not in WITH_EPOCH:
        both = frozenset({version})
        return Versions(both, both)
    if has_epoch := _WITH_EPOCH.fullmatch(version):
        rest = has_epoch[1]
        return Versions(frozenset({version, f"{_NO_EPOCH}{rest}"}), frozenset({version, f"{_ANY_EPOCH}{rest}"}))
    return Versions(frozenset({version, f"{_ANY_EPOCH}{version}"}), frozenset({version, f"{_NO_EPOCH}{version}"}))


@lru_cache(maxsize=SPELLINGS)
def names_in(purl: str, name: str) -> tuple[str, ...]:
    """What scanners call a package that was found, and thus what patterns for names are matched against.

    `log4j-core` is Grype's name, and `org.apache.logging.log4j:log4j-core` Trivy's.

    Args:
        purl: package URL; empty for none.
        name: as the first scanner spells it.
    """
    package = canonical(purl, name, "")
    path = unquote(package.purl.partition("@")[0]).removeprefix(f"{SCHEME}{package.ecosystem}/")
    group, _, last = path.rpartition("/")
    found = [name, path, f"{group}:{last}" if group else ""]
    if package.ecosystem in CALLED_BY_LAST:
        found.append(last)
    if package.distribution:
        found += [f"{each}/{last}" for each in spellings(package.distribution)]
    if package.ecosystem == "golang":
        found += package.names
    if package.ecosystem in _CASELESS:
        found += [_FOLDED + each.casefold() for each in (name, *package.names) if each]
    if package.ecosystem == "pypi":
        found += [_PUNCTUATED + each for each in package.names]
    return tuple(dict.fromkeys(each for each in found if each))


def names_meant(pattern: str) -> tuple[str, ...]:
    """The patterns that a pattern for names stands for; one of them must match one of `names_in`."""
    folded = pattern.casefold()
    plain = () if "[" in folded else (_PUNCTUATED + PUNCTUATION.sub("-", folded),)
    return (pattern, _FOLDED + folded, *plain)


def patterns_meant(pattern: str) -> tuple[str, ...]:
    """The patterns that a pattern for names or for package URLs stands for."""
    return purls_meant(pattern) if is_purl(pattern) else names_meant(pattern)


def means(pattern: str) -> Callable[[str, str, str], bool]:
    """Whether a pattern, a glob for a package's name or for its package URL, means a package that was found.

    What the qualifiers of a package URL demand is another question: `orchestrator.packages.qualifiers`.

    Returns:
        A function of its package URL, its name as the scanner spells it, and its version.
    """
    of_purl = is_purl(pattern)
    globs = [glob(each) for each in patterns_meant(pattern)]

    def answer(purl: str, name: str, version: str) -> bool:
        texts = purls_in(purl, name, version) if of_purl else names_in(purl, name)
        return any(matches(text) for text in texts for matches in globs)

    return answer


@lru_cache(maxsize=SPELLINGS)
def purls_in(purl: str, name: str, version: str) -> tuple[str, ...]:
    """The texts that patterns for package URLs are matched against, in lower case.

    Args:
        purl: of the package that was found; one without is of the type `generic`, as exports write it.
        name: as the scanner spells it.
        version: as installed.
    """
    package = canonical(purl, name, version)
    if not package.purl and purl:
        return (unquote(purl).casefold(),)
    if not package.purl:
        package = package._replace(key=f"{SCHEME}generic/{name.strip()}", ecosystem="generic")
    versions = sorted(versions_of(package.ecosystem, package.version.casefold()).answers)
    versions += [each.removeprefix(_ANY_EPOCH) for each in versions if each.startswith(_ANY_EPOCH)]
    bodies = _bodies(package)
    return tuple(dict.fromkeys([*bodies, *(f"{body}@{each}" for body in bodies for each in versions)]))


def _bodies(package: Package) -> list[str]:
    """The package URL without version, in lower case: by every name of its distribution, the best one last."""
    start, tail = f"{SCHEME}{package.ecosystem}/", key_of(package).removeprefix(f"{SCHEME}{package.ecosystem}/")
    if not package.distribution:
        return [f"{start}{tail}"]
    return [f"{start}{tail}", *(f"{start}{each}/{tail}" for each in reversed(spellings(package.distribution)))]


@lru_cache(maxsize=1 << 12)
def purls_meant(pattern: str) -> tuple[str, ...]:
    """The patterns that a pattern for package URLs stands for; one of them must match one of `purls_in`.

    Qualifiers but the epoch are left out: `orchestrator.packages.qualifiers` is about them.
    """
    whole = without_qualifiers(pattern)
    if not _MAGIC.search(whole):
        package = canonical(pattern, "", "")
        if package.purl:
            return _literal(package)
    return _glob(whole, epoch[1] if (epoch := _EPOCH.search(pattern)) else "")


def _literal(package: Package) -> tuple[str, ...]:
    body = _bodies(package)[-1]
    versions = versions_of(package.ecosystem, package.version.casefold()).texts
    return tuple(f"{body}@{each}" for each in sorted(versions)) or (body,)


def _glob(pattern: str, epoch: str) -> tuple[str, ...]:
    """A pattern with wildcards, as near to how package URLs are spelt here as its fixed parts say."""
    pattern, _, subpath = unquote(pattern).casefold().removeprefix(SCHEME).lstrip("/").partition("#")
    kind, slash, path = pattern.partition("/")
    kind = type_of(kind)
    start, _, last = path.rpartition("/")
    name, at, version = last[1:].partition("@")
    name = last[:1] + name
    if kind in DISTRIBUTIONS and start and not _MAGIC.search(start):
        start = distribution(start)
    if kind == "golang" and subpath:
        start, name = f"{start}/{name}" if start else name, subpath
    if kind == "pypi" and "[" not in name:
        name = PUNCTUATION.sub("-", name)
    if kind == "maven":
        name = name.replace(":", "/")
    body = f"{SCHEME}{kind}{slash}" + (f"{start}/{name}" if start else name)
    if not at:
        return (body,)
    version = plain_version(kind, version)
    if kind in WITH_EPOCH:
        version = version.removeprefix("0:")
        version = f"{epoch}:{version}" if epoch and ":" not in version else version
        if has_epoch := _WITH_EPOCH.fullmatch(version):
            return (f"{body}@{version}", f"{body}@{_NO_EPOCH}{has_epoch[1]}")
    return (f"{body}@{version}",)
