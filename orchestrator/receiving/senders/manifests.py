"""Events as the registry of the distribution project tells them; those that are built on it tell them alike."""

from __future__ import annotations

import msgspec

from orchestrator.images.manifests import INDEX_TYPES, MANIFEST_TYPES

#: What a push must be of to be an image's.
IMAGE_TYPES = frozenset((*MANIFEST_TYPES, *INDEX_TYPES))


class ToldTarget(msgspec.Struct, rename="camel"):
    """What an event is about, a manifest or a blob."""

    media_type: str = ""
    digest: str = ""
    repository: str = ""
    url: str = ""
    tag: str = ""


class ToldRequest(msgspec.Struct):
    """The request that caused it."""

    host: str = ""


class RegistryEvent(msgspec.Struct, rename="camel"):
    """One event."""

    id: str = ""
    timestamp: str = ""
    action: str = ""
    target: ToldTarget = msgspec.field(default_factory=ToldTarget)
    request: ToldRequest = msgspec.field(default_factory=ToldRequest)
