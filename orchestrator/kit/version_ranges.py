"""Ranges of versions as `vers` writes them (`vers:maven/>=2.0|<2.15.0`), and whether a version is in one.

https://github.com/package-url/vers-spec. Read and ordered by the library univers, with two differences: `semver`, of
which official examples of CycloneDX make use, is a scheme, too; and `generic`, which has no order of its own, takes
that of the package's ecosystem, or that of numbers. What cannot be ordered without a guess is not answered.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from orchestrator.kit.remembering import SPELLINGS
from orchestrator.kit.version_order import LONGEST, UNREADABLE, class_of

_MOST_CONSTRAINTS = 1000
_ALIASES = {"alpine": "apk", "arch": "alpm", "debian": "deb", "semver": "npm"}
_GENERIC = "generic"
_WITH_EPOCH = frozenset({"alpm", "deb", "rpm"})
_SEMVER = frozenset({"bitnami", "cargo", "github", "hex", "npm", "pub", "swift"})
# univers reads any text as such a version, and drops what does not fit: only what is one is given to it.
_LIKE_SEMVER = re.compile(r"[vV]?\d+(?:\.\d+){0,2}(?:[-+][0-9A-Za-z.+-]*)?")
_NUMBERS = re.compile(r"[vV]?\d+(?:\.\d+)*")
_COMPARATORS = (">=", "<=", "!=", "<", ">", "=")


class Constraint(NamedTuple):
    """One constraint of a range: how to compare (`=` where none is written) and with which version."""

    comparator: str
    version: str


class _Range(NamedTuple):
    """A range as it is written; no constraint means every version, of the scheme `none` no version."""

    scheme: str
    constraints: tuple[Constraint, ...]


@lru_cache(maxsize=10_000)
def constraints_of(text: str) -> tuple[Constraint, ...]:
    """The constraints of a range, in the order in which they are written; none for every version.

    Raises:
        ValueError: it is no range, its scheme is unknown, or its versions cannot be read; the message says which.
    """
    found = _read(text)
    if found.constraints:
        # The order of `generic` depends on the package: here it only has to be some order.
        _ordered(found, "rpm" if found.scheme == _GENERIC else found.scheme)
    return found.constraints


@lru_cache(maxsize=SPELLINGS)
def in_range(text: str, version: str, ecosystem: str = "") -> bool | None:
    """Whether a version is in a range.

    Args:
        text: the range, beginning with `vers:`.
        version: as installed; `*` and an empty one are in none.
        ecosystem: type of the package's URL; decides how `generic` is ordered.

    Returns:
        None when it cannot be said: the range or the version is not understood, or the version has an epoch, which
        the range may have left out.
    """
    try:
        found = _read(text)
    except ValueError:
        return None
    if found.scheme == "none":
        return False
    if not found.constraints:
        return True
    scheme = found.scheme
    if scheme == _GENERIC:
        scheme = _generic_order(ecosystem, [version, *(each.version for each in found.constraints)])
    epochs = [_epoch_and_rest(each)[0].strip("0") for each in (version, *(each.version for each in found.constraints))]
    if scheme in _WITH_EPOCH and epochs[0] and not any(epochs[1:]):
        return None
    try:
        return _contains(_ordered(found, scheme), _value(scheme, version))
    except UNREADABLE:
        return None


def is_same(one: str, other: str, ecosystem: str = "") -> bool | None:
    """Whether two texts are one version: equal but for an epoch or a `v` before it, or in the ecosystem's order.

    Advisories leave epochs out, so that one that only one of both has says nothing.

    Returns:
        None when it cannot be said.
    """
    (epoch, rest), (other_epoch, other_rest) = _epoch_and_rest(one), _epoch_and_rest(other)
    if rest == other_rest and (epoch == other_epoch or not epoch or not other_epoch):
        return True
    values = _both(one, other, ecosystem)
    return None if values is None else bool(values[0] == values[1])


def is_later(one: str, other: str, ecosystem: str = "") -> bool | None:
    """Whether one version comes after another; None when it cannot be said."""
    if one == other:
        return False
    values = _both(one, other, ecosystem)
    return None if values is None else bool(values[1] < values[0])


def _both(one: str, other: str, ecosystem: str) -> tuple[Any, Any] | None:
    scheme = ecosystem if class_of(ecosystem) else _generic_order("", [one, other])
    try:
        first, second = _value(scheme, one), _value(scheme, other)
        return (first, second) if isinstance(first < second, bool) else None
    except UNREADABLE:
        return None


def _epoch_and_rest(version: str) -> tuple[str, str]:
    epoch, colon, rest = version.partition(":")
    if colon and epoch.isdigit():
        return epoch, rest
    return "", version.lstrip("vV")


@lru_cache(maxsize=10_000)
def _read(text: str) -> _Range:
    """The parts of a range; spaces mean nothing.

    Raises:
        ValueError: it is none.
    """
    scheme, slash, rest = "".join(text.split()).partition("/")
    kind, colon, scheme = scheme.lower().partition(":")
    if kind != "vers" or not colon or not slash or not scheme:
        raise ValueError(f"{text[:LONGEST]!r} is not a range; write it as `vers:maven/>=2.0|<2.15.0`")
    scheme = _ALIASES.get(scheme, scheme)
    if scheme in {"all", "none"} or rest == "*":
        return _Range(scheme, ())
    parts = rest.strip("|").split("|")
    if len(parts) > _MOST_CONSTRAINTS:
        raise ValueError(f"a range of {len(parts)} constraints, more than {_MOST_CONSTRAINTS}")
    return _Range(scheme, tuple(_constraint(part, text) for part in parts))


def _constraint(part: str, text: str) -> Constraint:
    comparator = next((each for each in _COMPARATORS if part.startswith(each)), "")
    version = unquote(part[len(comparator) :])
    if not version or "*" in version or len(version) > LONGEST:
        raise ValueError(f"{text[:LONGEST]!r} has no version after {comparator or 'a `|`'!r}")
    return Constraint(comparator or "=", version)


@lru_cache(maxsize=10_000)
def _ordered(found: _Range, scheme: str) -> tuple[Any, ...]:
    """The constraints as univers has them, by version.

    Raises:
        ValueError: the scheme or a version is not understood, or the constraints contradict each other.
    """
    univers = _univers()
    try:
        values = [(each.comparator, _value(scheme, each.version)) for each in found.constraints]
        constraints = sorted(
            univers.VersionConstraint(comparator=comparator, version=value, version_class=type(value))
            for comparator, value in values
        )
        univers.validate_comparators(constraints)
    except UNREADABLE as error:
        raise ValueError(f"the range of the scheme {scheme!r} is not understood: {error}") from error
    return tuple(constraints)


def _contains(constraints: tuple[Any, ...], value: Any) -> bool:
    return bool(_univers().contains_version(value, list(constraints)))


def _univers() -> Any:
    """The untyped part of univers that knows constraints, imported where there are ranges."""
    from univers import version_constraint  # noqa: PLC0415 - on first use

    return version_constraint


def _generic_order(ecosystem: str, versions: list[str]) -> str:
    """By which order versions of the scheme `generic` are compared; empty when by none."""
    if class_of(ecosystem) is not None:
        return ecosystem
    if all(map(_LIKE_SEMVER.fullmatch, versions)):
        return "npm"
    return "rpm" if all(map(_NUMBERS.fullmatch, versions)) else ""


@lru_cache(maxsize=SPELLINGS)
def _value(scheme: str, version: str) -> Any:
    """A version to compare by.

    Raises:
        ValueError: it is none, or nobody knows the scheme.
    """
    if not version or len(version) > LONGEST or not any(map(str.isdigit, version)):
        raise ValueError(f"{version[:LONGEST]!r} is not a version")
    if scheme in _SEMVER and not _LIKE_SEMVER.fullmatch(version):
        raise ValueError(f"{version!r} is not a version of {scheme!r}")
    if scheme == "golang":
        version = version.removeprefix("go").partition("+incompatible")[0]
    kind = class_of(scheme) or _class_of_range(scheme)
    if kind is None:
        raise ValueError(f"nobody knows how versions of {scheme!r} are ordered")
    return kind(version)


def _class_of_range(scheme: str) -> Any:
    """Of schemes that are no types of package URL (`openssl`, `nginx`)."""
    from univers.version_range import RANGE_CLASS_BY_SCHEMES  # noqa: PLC0415 - likewise

    found = RANGE_CLASS_BY_SCHEMES.get(scheme)
    return found.version_class if found else None
