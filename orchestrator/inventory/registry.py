"""Images of a registry: its repositories by name or out of its catalogue, their tags by pattern, version and age."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.git.errors import SourceBrokenError, SourceUnavailableError
from orchestrator.images.names import split_reference
from orchestrator.images.reference import Reference, is_repository, is_tag
from orchestrator.images.registry.cache import pull_location
from orchestrator.images.registry.client import RegistryClient
from orchestrator.inventory.interface import Context, Entry
from orchestrator.kit.foreign_json import ForeignJsonError
from orchestrator.kit.guarding import InternalError, guarded
from orchestrator.kit.matching import any_pattern, is_name
from orchestrator.kit.version_order import semantic
from orchestrator.model import TargetKind
from orchestrator.net.errors import Denied, NotFound, OverBudget, TooSlow, WrongBytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.config.targets import RegistrySource, TargetSource
    from orchestrator.net.allowance import Allowance

_log = logging.getLogger(__name__)

_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)v?(.+)")
_SIGN = {"<": (-1,), "<=": (-1, 0), "==": (0,), "!=": (-1, 1), ">=": (0, 1), ">": (1,)}
# What a registry answers where a list belongs: it is there, but serves nonsense, or more than anybody would read.
_NO_LIST = (ForeignJsonError, WrongBytes, OverBudget, TooSlow, InternalError)
_LONGEST = 255
# Repositories that a message names.
_MOST_NAMED = 5
# cosign's `sha256-<hex>.sig`, `.att` and `.sbom`; without suffix the list of what refers to a digest (OCI
# distribution-spec 1.1, "Referrers Tag Schema").
_OF_DIGEST = re.compile(r"sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})(\.[a-z]+)?")
_NUMBERS = re.compile(r"([0-9]+)")


def read_registry(source: TargetSource, context: Context) -> list[Entry]:
    """An entry for each tag that is meant; see `Reader`."""
    section = source.registry
    assert section is not None  # noqa: S101 - the reader is chosen by this key
    try:
        with RegistryClient(context.insecure, context.retries, caches=context.caches) as client:
            return [
                Entry(
                    reference=f"{section.host}/{name}",
                    scans=source.scans,
                    owner=source.owner,
                    labels=source.labels,
                    origin=context.origin,
                    error=error,
                    listed=True,
                )
                for name, error in _images(section, context, client)
            ]
    except TemporaryError as error:
        raise SourceBrokenError(f"{context.origin}: {error}") from error
    except PermanentError as error:
        raise SourceUnavailableError(f"{context.origin}: {error}") from error


def read_named(source: TargetSource, named: Iterable[Entry], context: Context) -> list[Entry]:
    """What a source says of images that somebody names; the registry is not asked whether it has them."""
    section = source.registry
    assert section is not None  # noqa: S101 - as above
    found = []
    for entry in named:
        repository, tag, digest = split_reference(entry.reference)
        registry, _, path = repository.partition("/")
        is_image = entry.kind is TargetKind.IMAGE and not entry.local
        if is_image and registry == section.host and any_pattern(path, section.repositories):
            tag = tag or ("" if digest else "latest")
            if not tag or choose([tag], section):
                found.append(
                    Entry(
                        reference=entry.reference,
                        scans=source.scans,
                        owner=source.owner,
                        labels=source.labels,
                        origin=context.origin,
                    )
                )
    return found


def choose(tags: Iterable[str], section: RegistrySource) -> list[str]:
    """The tags that a source means, the newest version first; those that are no versions after them.

    Tags that tools make of a digest come last, since there are several for each image: they must not take the places of
    `newest`. They are not left out, since a tag proves nothing about what it stands for.
    """
    comparisons = [_COMPARISON.fullmatch(part) for part in re.split(r"[\s,]+", (section.versions or "").strip())]
    found = []
    for tag in tags:
        if not any_pattern(_short(tag), section.tags) or any_pattern(_short(tag), section.exclude_tags):
            continue
        version = semantic(tag) if is_tag(tag) else None
        if section.versions and (version is None or not all(_holds(version, each) for each in comparisons)):
            continue
        if version is not None and version.value.prerelease and not section.prereleases:
            continue
        rank = 0 if _OF_DIGEST.fullmatch(_short(tag)) else 1 if version is None else 2
        found.append((rank, version or 0, _natural(tag), tag))
    return [tag for *_, tag in sorted(found, reverse=True)][: section.newest]


def _images(section: RegistrySource, context: Context, client: RegistryClient) -> Iterator[tuple[str, str]]:
    """The images that are meant, as `repository:tag`, and why one is none.

    What a registry serves in place of a list, or of a name in it, is trouble with that list or name, and keeps neither
    the other ones nor other sources from being read: it becomes an image that fails with the reason.
    """
    only_prereleases = dict[str, str]()
    for repository, error in _repositories(section, context, client):
        if error:
            yield repository, error
            continue
        try:
            with guarded(f"listing the tags of {section.host}/{repository}"):
                tags = client.tags(_location(section, repository, context), allowance=_allowance(context))
                chosen = choose(tags, section)
        except _NO_LIST as failure:
            yield repository, f"its tags cannot be listed: {failure}"
            continue
        except (NotFound, Denied) as failure:
            if repository in section.repositories:
                raise
            if isinstance(failure, Denied):
                yield repository, f"its tags cannot be listed: {failure}"
            else:  # what registries leave of a repository of which everything was deleted
                _log.warning("%s: %s lists %s, but knows no tags of it", context.origin, section.host, repository)
            continue
        if not chosen and (passed_over := choose(tags, section.model_copy(update={"prereleases": True}))):
            only_prereleases[repository] = passed_over[0]
        for tag in chosen:
            wrong = "" if is_tag(tag) else f"its registry lists {_short(tag)!r}, which is not a tag"
            yield f"{repository}:{_short(tag)}", wrong
    if only_prereleases:
        _log.warning("%s: %s", context.origin, _said_of_prereleases(only_prereleases, section.host))


def _said_of_prereleases(repositories: Mapping[str, str], host: str) -> str:
    """That nothing of some repositories is meant, because of a default that nobody has to know."""
    names = [f"{host}/{name}:{_short(tag)}" for name, tag in repositories.items()]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return (
        f"nothing of {', '.join(names[:_MOST_NAMED])}{more}: a suffix such as {next(iter(repositories.values()))!r} has"
        " makes a prerelease of a version; set prereleases: true where these are meant"
    )


def _repositories(section: RegistrySource, context: Context, client: RegistryClient) -> Iterator[tuple[str, str]]:
    """Those that are named, then what else of the catalogue is meant, and why one is none."""
    named = dict.fromkeys(name for name in section.repositories if is_name(name))
    yield from ((name, "") for name in named)
    patterns = [name for name in section.repositories if not is_name(name)]
    if patterns:
        # A cache's catalogue has what somebody pulled through it, so the registry itself is asked.
        origin = pull_location(Reference(registry=section.host, repository="x"), (), context.insecure).removesuffix(
            "/x"
        )
        try:
            with guarded(f"reading the catalogue of {section.host}"):
                catalogue = client.catalogue(origin, allowance=_allowance(context))
        except _NO_LIST as failure:
            yield patterns[0], f"the catalogue of {section.host} cannot be read: {failure}"
            return
        for name in catalogue:
            if name not in named and any_pattern(_short(name), patterns):
                wrong = f"its registry lists {_short(name)!r}, which is not the name of a repository"
                yield _short(name), "" if is_repository(name) else wrong


def _short(name: str) -> str:
    """A name that a registry gives, as it is, or as much of it as anybody reads and a pattern is tried on."""
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _allowance(context: Context) -> Allowance:
    return context.allowance.part(context.listing, "limits.listing")


def _location(section: RegistrySource, repository: str, context: Context) -> str:
    return pull_location(Reference(registry=section.host, repository=repository), context.caches, context.insecure)


def _holds(version: Any, comparison: re.Match[str] | None) -> bool:
    if comparison is None:
        return True
    other = semantic(comparison[2])
    return ((version > other) - (version < other)) in _SIGN[comparison[1]]


def _natural(tag: str) -> tuple[tuple[int, str], ...]:
    """Numbers in it by their value: `build-9` before `build-10`.

    By their length first, without leading zeros, and never as numbers: a registry may send any count of digits.
    """
    parts = ((part, part.lstrip("0") if part.isdecimal() else "") for part in _NUMBERS.split(tag))
    return tuple((len(digits), digits) if part.isdecimal() else (-1, part) for part, digits in parts)
