"""What makes two packages the same, however scanners spell them.

The package URL is the identity (https://github.com/package-url/purl-spec), read more kindly than the specification asks
and normalised further where scanners are known to differ:

* percent-encoding that is missing, doubled, or covers the whole URL; a type in upper case, or one of its old names;
* qualifiers and subpath are dropped; an epoch among them goes into the version (`32:9.11`), and an epoch of 0 away;
* of distributions (deb, rpm, apk, alpm) the namespace is no part of the key: within one target it is one, and scanners
  name it differently (`centos`, `redhat`); `distribution` has it for those who compare across targets;
* Go modules: lower case, no `v` before the version, no `+incompatible`; one name for the standard library; a subpath is
  the end of the module's name (`jwt@v4.5.0#v4` is `jwt/v4@4.5.0`): so Syft and Grype write names of many parts;
* PyPI: `-`, `_` and `.` are one (PEP 503), extras (`requests[socks]`) none; NuGet: lower case;
* gems: a platform is no part of the version (`1.16.0-x86_64-linux`); Swift: no scheme and no `.git`.

A name `group:artifact` without a package URL is one of Maven: no other ecosystem writes names so.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote

from packageurl import PackageURL

from orchestrator.kit.remembering import SPELLINGS
from orchestrator.packages.distributions import distribution, of_release
from orchestrator.packages.ecosystems import (
    DISTRIBUTIONS,
    PUNCTUATION,
    STDLIB,
    WITH_EPOCH,
    is_purl,
    plain_version,
    type_of,
)

_ARCHITECTURES = frozenset(
    {"aarch64", "all", "amd64", "any", "arm64", "armel", "armhf", "i386", "i686", "mips64el", "mipsel", "noarch"}
    | {"ppc64el", "ppc64le", "riscv64", "s390x", "x86_64"}
)
_SLASH = re.compile(r"%(?:25)*2f", re.IGNORECASE)
_EPOCH = re.compile(r"[?&]epoch=(\d+)", re.IGNORECASE)
_DISTRO = re.compile(r"[?&]distro=([^&#]+)", re.IGNORECASE)
_NO_EPOCH = re.compile(r"(?:0+:)+")
_LEADING_EPOCH = re.compile(r"0*([1-9]\d*):(.+)", re.DOTALL)
_EXTRAS = re.compile(r"\[[^\[\]]*\]$")
_SCHEME = re.compile(r"(?:git\+)?[a-z]+:/*", re.IGNORECASE)
_MAVEN_NAME = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+")
# Versions that end a package URL and say nothing of the rest of it; those that are written into one as they are; and
# the types whose versions are written in lower case.
_SEPARABLE = re.compile(r"[A-Za-z0-9._~+-]+")
_UNESCAPED = re.compile(r"[A-Za-z0-9._~:+-]+")
_LOWER_VERSIONS = frozenset({"huggingface", "oci"})
_LONGEST = 2000
_ROUNDS = 8


class _Parts(NamedTuple):
    """What a package URL says, percent-encoding undone; the epoch is that among its qualifiers."""

    kind: str
    namespace: str
    name: str
    version: str = ""
    epoch: str = ""


class Package(NamedTuple):
    """One package of a target; two are the same when `key` and `version` are.

    Attributes:
        key: canonical package URL without version and distribution (`pkg:deb/openssl`); without a package URL its name
            in lower case; empty where there is no package.
        version: as installed, epoch included (`32:9.11`); empty when unknown.
        purl: canonical package URL with namespace and version, without qualifiers; empty without one.
        ecosystem: type of the package URL; empty without one.
        label: its name as the scanner spells it.
        names: what a scanner without package URLs may call it, in lower case.
        vague: whether another scanner may say better what it is: it has no package URL, or one with a made-up group.
        distribution: the one name of the distribution that a deb, rpm, apk or Arch package is of
            (`orchestrator.packages.distributions`); empty when unknown, and for everything else.
    """

    key: str
    version: str = ""
    purl: str = ""
    ecosystem: str = ""
    label: str = ""
    names: tuple[str, ...] = ()
    vague: bool = False
    distribution: str = ""


NOTHING = Package("")
"""No package at all."""


@lru_cache(maxsize=SPELLINGS)
def canonical(purl: str, package: str, version: str) -> Package:
    """Say which package a finding is about; never raises.

    Args:
        purl: package URL as a scanner spells it; what cannot be read counts as none.
        package: name, as a scanner spells it.
        version: as installed; empty to take that of the package URL.
    """
    version = _decoded(version).strip()
    purl = purl or (package if is_purl(package) else "")
    parts = _read(purl) if purl else None
    if parts is None and _MAVEN_NAME.fullmatch(package) and package.rpartition(":")[2] not in _ARCHITECTURES:
        group, _, artifact = package.partition(":")
        parts = _Parts("maven", group, artifact)
    found = _identify(parts, package, version) if parts else None
    return found or _named(package or purl, version)


def _read(purl: str) -> _Parts | None:
    """The parts of a package URL; None for what is none."""
    purl = purl.strip()
    if purl[:6].lower() == "pkg%3a":
        purl = unquote(purl)
    base = purl.partition("?")[0].partition("#")[0]
    scheme, colon, path = (_SLASH.sub("/", base) if "%" in base else base).partition(":")
    if not colon or (scheme != "pkg" and scheme.strip().lower() != "pkg") or len(purl) > _LONGEST:
        return None
    head, at, last = path.rpartition("@")
    # Nearly always: then what stands before the version says by itself what package it is, many versions of which are
    # asked for. An `@` before that one is part of a name, or begins the scope of an npm package.
    if at and _SEPARABLE.fullmatch(last) and "//" not in head and "@" not in head.removeprefix("npm/@"):
        found = _parts(head, purl[len(base) :], versioned=False)
        return found and _Parts(found.kind, found.namespace, found.name, last, found.epoch)
    return _parts(path, purl[len(base) :], versioned=True)


@lru_cache(maxsize=1 << 14)
def _parts(path: str, rest: str, *, versioned: bool) -> _Parts | None:
    """The parts of a package URL without its scheme; None for what is none.

    Args:
        path: what stands before its qualifiers.
        rest: those, and its subpath.
        versioned: whether the version, if there is one, is in the path.
    """
    try:
        found = PackageURL.from_string(f"pkg:{path}", normalize_purl=False)
    except ValueError:
        return None
    kind = type_of(found.type)
    namespace, name, version = (_decoded(part or "").strip() for part in found[1:4])
    if versioned and not version and "@" in name[1:]:
        name, _, version = name.rpartition("@")
    if kind == "maven" and not namespace and ":" in name:
        namespace, _, name = name.rpartition(":")
    if kind == "golang" and (ending := _subpath(rest)):
        namespace, _, name = "/".join(filter(None, (namespace, name, ending))).rpartition("/")
    if kind in DISTRIBUTIONS and not namespace and (release := _DISTRO.search(rest)):
        namespace = of_release(_decoded(release[1]))
    epoch = _EPOCH.search(rest)
    return _Parts(kind, namespace, name, version, epoch[1] if epoch else "")


def _subpath(purl: str) -> str:
    """The subpath of a package URL, without empty parts and dots, as the specification asks."""
    parts = _decoded(purl.partition("#")[2]).split("/")
    return "/".join(part.strip() for part in parts if part.strip() not in {"", ".", ".."})


def _decoded(text: str) -> str:
    """A text without percent-encoding, however often it was encoded."""
    for _ in range(_ROUNDS):
        if "%" not in text or (once := unquote(text)) == text:
            break
        text = once
    return text


def _identify(parts: _Parts, package: str, installed: str) -> Package | None:
    """The package of these parts; None when they make no valid package URL."""
    kind, namespace, name, version, epoch = parts
    version = _version(kind, installed, version, epoch)
    if kind in _LOWER_VERSIONS or version != version.strip():
        return _made(kind, namespace, name, version, package)
    # Apart from the version, of which there are many.
    found = _made(kind, namespace, name, "", package)
    ending = _ending(version) if version else ""
    if found is None or ending is None:
        return None
    return Package(found.key, version, found.purl + ending, *found[3:])


@lru_cache(maxsize=1 << 14)
def _made(kind: str, namespace: str, name: str, version: str, package: str) -> Package | None:
    """The package of these parts, each as its ecosystem normalises it; None when they make no valid package URL."""
    if kind == "golang":
        namespace, name = namespace.lower(), name.lower()
        if not namespace and name in STDLIB:
            name = STDLIB[0]
    elif kind == "pypi":
        name = PUNCTUATION.sub("-", _EXTRAS.sub("", name))
    elif kind in {"npm", "deb"}:
        namespace, name = namespace.lower(), name.lower()
    elif kind == "swift":
        namespace, name = _SCHEME.sub("", namespace, count=1), name.removesuffix(".git")
    try:
        found = PackageURL(kind, namespace, name, version)
        purl = found.to_string()
    except ValueError:
        return None
    space, name = found.namespace or "", found.name
    key = purl.partition("@")[0]  # the only one that is not percent-encoded
    if kind in DISTRIBUTIONS:
        key = f"pkg:{kind}/{key.rpartition('/')[2]}"
    return Package(
        key=key.lower() if kind == "nuget" else key,
        version=found.version or "",
        purl=purl,
        ecosystem=kind,
        label=package or (f"{space}/{name}" if space and kind not in DISTRIBUTIONS | {"maven"} else name),
        names=_names(kind, space.lower(), name.lower()),
        vague=kind == "maven" and space in {"", name},
        distribution=distribution(space) if space and kind in DISTRIBUTIONS else "",
    )


def _ending(version: str) -> str | None:
    """A version as it ends a package URL; None for text that is none."""
    if _UNESCAPED.fullmatch(version):  # many of Debian's have a `+`
        return f"@{version.replace('+', '%2B')}"
    try:
        return f"@{quote(version, safe='/:')}"
    except UnicodeEncodeError:
        return None


def _version(kind: str, installed: str, version: str, epoch: str) -> str:
    """The installed version, else that of the package URL, with whichever epoch one of them has."""
    if kind in WITH_EPOCH:
        if not epoch and ":" not in installed and ":" not in version:  # nearly always
            return installed or version
        installed, version = (
            _NO_EPOCH.sub("", each, count=1) if each[:1] == "0" else each for each in (installed, version)
        )
        first, second = (_LEADING_EPOCH.fullmatch(each) for each in (installed, version))
        epoch = (first or second or ("", epoch.lstrip("0")))[1]
        chosen = (first[2] if first else installed) or (second[2] if second else version)
        return f"{epoch}:{chosen}" if epoch and chosen else chosen
    return plain_version(kind, installed or version)


def _names(kind: str, namespace: str, name: str) -> tuple[str, ...]:
    if kind in DISTRIBUTIONS or not namespace:
        return STDLIB if kind == "golang" and name == STDLIB[0] else (name,)
    if kind == "maven":
        return (name, f"{namespace}:{name}", f"{namespace}/{name}")
    return (f"{namespace}/{name}",)


def _named(name: str, version: str) -> Package:
    """A package of which only the name is known."""
    lower = name.strip().lower()
    head, colon, last = lower.rpartition(":")
    if colon and last in _ARCHITECTURES:
        lower = head
    if not lower:
        return NOTHING
    names = (lower, PUNCTUATION.sub("-", lower), lower.rpartition(":")[2])
    return Package(lower, version, label=name, names=tuple(dict.fromkeys(names)), vague=True)
