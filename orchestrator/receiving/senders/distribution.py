"""The registry of the distribution project, and those built on it, such as GitLab's own.

https://distribution.github.io/distribution/about/notifications/: an envelope with `events`, of which pushes of
manifests matter here. It is sent again until it is answered with 2xx or 3xx, so nothing in it may be an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import (
    Incoming,
    ProofKind,
    SenderKind,
    SenderNotice,
    image,
    no_image,
    no_push,
)
from orchestrator.receiving.senders.manifests import IMAGE_TYPES, RegistryEvent

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Envelope(msgspec.Struct):
    events: tuple[RegistryEvent, ...] = ()


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    for event in decode(incoming.data, _Envelope, origin=incoming.origin).events:
        target = event.target
        if event.action != "push":
            yield no_push(f"the action is {event.action[:40]!r}")
        elif target.media_type not in IMAGE_TYPES:
            # Blobs come as octet-stream, and what is neither a manifest nor an index of images is no image.
            is_blob = "octet-stream" in target.media_type or ".layer." in target.media_type
            yield no_push("a blob") if is_blob else no_image(f"of type {target.media_type[:80]!r}")
        else:
            # Behind a proxy the registry does not know the name that others call it by.
            host = incoming.host or event.request.host or urlsplit(target.url).netloc
            yield image(host, target.repository, target.tag, target.digest, id_=event.id, moment=event.timestamp)


SENDER = SenderKind(read, proof=ProofKind.HEADER)
