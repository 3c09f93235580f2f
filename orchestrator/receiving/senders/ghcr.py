"""GitHub's container registry: the webhooks `package` and the older `registry_package`.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#package, signed as
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import (
    Incoming,
    ProofKind,
    SenderKind,
    SenderNotice,
    named,
    no_image,
    no_push,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS = {"package", "registry_package"}
_CONTAINERS = {"container", "docker"}
# Of what is pushed as a container package and is no container.
_CHART = "application/vnd.cncf.helm.config.v1+json"


class _Tag(msgspec.Struct):
    name: str = ""
    digest: str = ""


class _Config(msgspec.Struct):
    media_type: str = ""


class _Manifest(msgspec.Struct):
    digest: str = ""
    config: _Config = msgspec.field(default_factory=_Config)


class _Metadata(msgspec.Struct):
    tag: _Tag = msgspec.field(default_factory=_Tag)
    manifest: _Manifest = msgspec.field(default_factory=_Manifest)


class _Version(msgspec.Struct):
    package_url: str = ""
    container_metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    updated_at: str = ""


class _Package(msgspec.Struct):
    package_type: str = ""
    package_version: _Version = msgspec.field(default_factory=_Version)


class _Event(msgspec.Struct):
    action: str = ""
    package: _Package | None = None
    registry_package: _Package | None = None


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    package = event.package or event.registry_package
    if incoming.type not in _EVENTS or package is None:
        yield no_push(f"the event is {incoming.type[:40]!r}")
    elif event.action not in {"published", "updated"}:
        yield no_push(f"the action is {event.action[:40]!r}")
    elif package.package_type.lower() not in _CONTAINERS:
        yield no_push(f"a package of type {package.package_type[:40]!r}")
    elif package.package_version.container_metadata.manifest.config.media_type == _CHART:
        yield no_image("a chart")
    else:
        yield _named(package.package_version)


def _named(version: _Version) -> SenderNotice:
    """By the URL, which ends in a colon where there is no tag."""
    found = version.container_metadata
    url = version.package_url.removesuffix(":")
    digest = found.tag.digest or found.manifest.digest
    name, _, last = url.rpartition("/")
    tagged = url if ":" in last or "@" in last or not found.tag.name else f"{name}/{last}:{found.tag.name}"
    reference = tagged if "@" in tagged or not digest else f"{tagged}@{digest}"
    return named(reference, moment=version.updated_at)


SENDER = SenderKind(read, proof=ProofKind.SIGNATURE, type_header="x-github-event", proof_header="x-hub-signature-256")
