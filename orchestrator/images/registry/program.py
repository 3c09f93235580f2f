"""Which program an image starts by itself: what runs it in place of Kubernetes has to know that beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.images.manifests import read_config, read_image, read_manifest
from orchestrator.images.reference import parse
from orchestrator.images.registry.cache import pull_location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.images.registry.cache import CacheRule
    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.net.allowance import Allowance

#: Indexes within an index that are looked into.
_DEEPEST = 3


class ImageProgram(NamedTuple):
    """What an image starts.

    Attributes:
        entrypoint: program and first arguments.
        arguments: behind it, where nobody gives others; the program among them in an image without an entrypoint.
    """

    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def program_of(
    reference: str,
    client: RegistryClient,
    *,
    caches: Sequence[CacheRule],
    insecure: Sequence[str],
    allowance: Allowance,
) -> ImageProgram:
    """Which program an image starts; of an index, its first image, for they are images of one thing.

    Args:
        reference: names it.
        client: asks registries.
        caches: pull-through caches.
        insecure: registries spoken to without TLS verification.
        allowance: what it may cost.

    Raises:
        ImageError: it cannot be read.
    """
    named = parse(reference)
    location = pull_location(named, caches, insecure)
    wanted = named.digest or named.tag
    for _ in range(_DEEPEST):
        data = client.manifest(location, wanted, allowance=allowance).data
        listed = read_manifest(data, origin=reference)
        if not listed.is_index:
            break
        images = [each for each in listed.manifests or () if not each.is_attestation()]
        if not images:
            return ImageProgram()
        wanted = images[0].blob(reference).digest
    config = read_image(data, origin=reference).config
    found = read_config(client.blob(location, config, allowance=allowance), origin=reference).config
    if found is None:
        return ImageProgram()
    entrypoint, arguments = _words(found.entrypoint), _words(found.cmd)
    return ImageProgram(entrypoint, arguments) if entrypoint else ImageProgram(arguments[:1], arguments[1:])


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()
