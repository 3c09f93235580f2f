"""Globs over image references: `ghcr.io/aquasecurity/*`, `docker.io/library/ubuntu:20.*`, `anchore/grype`.

A pattern is matched against the normalised `registry/repository`, or `registry/repository:tag` when the pattern has a
tag of its own. Images of Docker Hub also match by their short names. See `orchestrator.kit.matching`.
"""

from collections.abc import Iterable

from orchestrator.images.reference import Reference, is_host
from orchestrator.kit.docker_hub import HUB
from orchestrator.kit.matching import any_glob


def matches(pattern: str, reference: Reference) -> bool:
    """Whether the reference is one the pattern means; its tag counts even when a digest stands beside it."""
    return any_glob(_names(reference, reference.tag if _has_tag(pattern) else ""), [pattern])


def matches_strictly(pattern: str, reference: Reference) -> bool:
    """The same, but for `repository:tag@digest` the tag proves nothing: only a pattern without tag matches it."""
    return not (reference.digest and _has_tag(pattern)) and matches(pattern, reference)


def _has_tag(pattern: str) -> bool:
    """Whether the pattern's last path component holds a colon (a port stands in the first of several)."""
    return ":" in pattern.rpartition("/")[2]


def _names(reference: Reference, tag: str) -> Iterable[str]:
    """The names by which a pattern may mean this image."""
    suffix = f":{tag}" if tag else ""
    yield f"{reference.registry}/{reference.repository}{suffix}"
    # A short name that itself looks like a host (`docker.io/ghcr.io/x`) would pass for that other registry.
    first = reference.repository.partition("/")[0]
    if reference.registry == HUB and not is_host(first):
        yield f"{reference.repository}{suffix}"
        yield f"{reference.repository.removeprefix('library/')}{suffix}"
