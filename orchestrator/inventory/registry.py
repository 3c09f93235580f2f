"""Images of a registry: its repositories by name or out of its catalogue, their tags by pattern, version and age."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from semver import Version

from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.images.cache import pull_location
from orchestrator.images.reference import Reference
from orchestrator.images.registry import RegistryClient
from orchestrator.inventory.interface import Context, Entry, SourceBrokenError, SourceUnavailableError
from orchestrator.inventory.patterns import is_name, matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.images.allowance import Allowance
    from orchestrator.sections import RegistrySource, TargetSource

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)v?(.+)")
_SIGN = {"<": (-1,), "<=": (-1, 0), "==": (0,), "!=": (-1, 1), ">=": (0, 1), ">": (1,)}
_NUMBERS = re.compile(r"([0-9]+)")


def read_registry(source: TargetSource, context: Context) -> list[Entry]:
    """An entry for each tag that is meant; see `Reader`."""
    section = source.registry
    assert section is not None  # noqa: S101 - the reader is chosen by this key
    try:
        with RegistryClient(insecure=context.insecure, retries=context.retries) as client:
            return [
                Entry(
                    reference=f"{section.host}/{repository}:{tag}",
                    scans=source.scans,
                    owner=source.owner,
                    labels=source.labels,
                    origin=context.origin,
                )
                for repository in _repositories(section, context, client)
                for tag in choose(
                    client.tags(_location(section, repository, context), allowance=_allowance(context)), section
                )
            ]
    except TemporaryError as error:
        raise SourceBrokenError(f"{context.origin}: {error}") from error
    except PermanentError as error:
        raise SourceUnavailableError(f"{context.origin}: {error}") from error


def choose(tags: Iterable[str], section: RegistrySource) -> list[str]:
    """The tags that a source means, the newest version first; those that are no versions after them."""
    comparisons = [_COMPARISON.fullmatch(part) for part in re.split(r"[\s,]+", (section.versions or "").strip())]
    found = []
    for tag in tags:
        version = _version(tag)
        if not matches(tag, section.tags):
            continue
        if section.versions and (version is None or not all(_holds(version, each) for each in comparisons)):
            continue
        if version is not None and version.prerelease and not section.prereleases:
            continue
        found.append((version is not None, version or Version(0), _natural(tag), tag))
    return [tag for *_, tag in sorted(found, reverse=True)][: section.newest]


def _repositories(section: RegistrySource, context: Context, client: RegistryClient) -> Iterator[str]:
    """Those that are named, then what else of the catalogue is meant."""
    named = dict.fromkeys(name for name in section.repositories if is_name(name))
    yield from named
    patterns = [name for name in section.repositories if not is_name(name)]
    if patterns:
        # A cache's catalogue has what somebody pulled through it, so the registry itself is asked.
        origin = pull_location(Reference(registry=section.host, repository="x"), (), context.insecure).removesuffix(
            "/x"
        )
        yield from (
            name
            for name in client.catalogue(origin, allowance=_allowance(context))
            if name not in named and matches(name, patterns)
        )


def _allowance(context: Context) -> Allowance:
    return context.allowance.part(context.listing, "limits.listing")


def _location(section: RegistrySource, repository: str, context: Context) -> str:
    return pull_location(Reference(registry=section.host, repository=repository), context.caches, context.insecure)


def _version(tag: str) -> Version | None:
    """A tag as a version, `v1.2` and `7` too."""
    try:
        return Version.parse(tag.removeprefix("v"), optional_minor_and_patch=True)
    except ValueError:
        return None


def _holds(version: Version, comparison: re.Match[str] | None) -> bool:
    if comparison is None:
        return True
    other = Version.parse(comparison[2], optional_minor_and_patch=True)
    return version.compare(other) in _SIGN[comparison[1]]


def _natural(tag: str) -> tuple[tuple[int, str], ...]:
    """Numbers in it by their value: `build-9` before `build-10`.

    By their length first, without leading zeros, and never as numbers: a registry may send any count of digits.
    """
    parts = ((part, part.lstrip("0") if part.isdecimal() else "") for part in _NUMBERS.split(tag))
    return tuple((len(digits), digits) if part.isdecimal() else (-1, part) for part, digits in parts)
