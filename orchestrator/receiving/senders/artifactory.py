"""JFrog Artifactory's webhooks of Docker tags: https://jfrog.com/help/r/jfrog-platform-administration-documentation/webhooks.

Which host and path a repository key is reached by is decided by how Artifactory is set up, so `host` says it:
`shop.example.com` for a repository with a host of its own, `example.com/docker-local` for one below a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import Incoming, ProofKind, SenderKind, SenderNotice, image, no_push

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Data(msgspec.Struct):
    image_name: str = ""
    tag: str = ""
    path: str = ""
    sha256: str = ""


class _Event(msgspec.Struct):
    domain: str = ""
    event_type: str = ""
    data: _Data = msgspec.field(default_factory=_Data)


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    if event.domain != "docker" or event.event_type != "pushed":
        yield no_push(f"{event.domain[:40]!r}, {event.event_type[:40]!r}")
        return
    host, _, folder = incoming.host.partition("/")
    # The path is that of the manifest's file: repository/tag/manifest.json.
    name = event.data.image_name or event.data.path.rsplit("/", 2)[0]
    digest = f"sha256:{event.data.sha256}" if event.data.sha256 else ""
    yield image(host, f"{folder}/{name}" if folder else name, event.data.tag, digest)


SENDER = SenderKind(read, proof=ProofKind.SIGNATURE, proof_header="x-jfrog-event-auth")
