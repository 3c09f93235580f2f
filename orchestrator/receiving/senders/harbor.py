"""Harbor's webhooks: in its own format, and as CloudEvents (`harbor.artifact.pushed`).

https://goharbor.io/docs/2.12.0/working-with-projects/project-configuration/configure-webhooks/. One push may be sent
several times, with ids that are made when the message is formatted; so two events are the same if their content is.
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
    image,
    named,
    no_image,
    no_push,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUSHED = {"PUSH_ARTIFACT", "harbor.artifact.pushed"}


class _Resource(msgspec.Struct):
    digest: str = ""
    tag: str = ""
    resource_url: str = ""


class _Repository(msgspec.Struct):
    repo_full_name: str = ""
    repo_type: str = ""


class _Data(msgspec.Struct):
    resources: tuple[_Resource, ...] = ()
    repository: _Repository = msgspec.field(default_factory=_Repository)


class _Event(_Data):
    """In Harbor's own format with `event_data`, as a CloudEvent the content of that alone."""

    type: str = ""
    occur_at: int = 0
    event_data: _Data = msgspec.field(default_factory=_Data)


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    kind = incoming.type or event.type
    data: _Data = event if incoming.type else event.event_data
    if kind not in _PUSHED:
        yield no_push(f"the type is {kind[:60]!r}")
        return
    if not data.resources:
        yield no_push("it names no resource")
    moment = str(event.occur_at or "")
    for resource in data.resources:
        # Charts have been artifacts like others since Harbor 2; the old chart museum named its kind.
        if (data.repository.repo_type or "").upper() == "CHART":
            yield no_image("a chart")
        else:
            yield _image(incoming.host, data.repository.repo_full_name, resource, moment)


def _image(host: str, repository: str, resource: _Resource, moment: str) -> SenderNotice:
    """By the URL of the resource, which has the name that Harbor is called by; a tag that is a digest is none."""
    tag = "" if resource.tag.startswith("sha256:") else resource.tag
    known = host or resource.resource_url.partition("/")[0]
    if repository and known:
        return image(known, repository, tag, resource.digest, moment=moment)
    return named(resource.resource_url, moment=moment)


SENDER = SenderKind(read, proof=ProofKind.HEADER)
