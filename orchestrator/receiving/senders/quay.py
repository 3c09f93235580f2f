"""Quay's notifications of repository pushes: https://docs.quay.io/guides/notifications.html.

They name tags and no digest; who sends them cannot be proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import Incoming, ProofKind, SenderKind, SenderNotice, image, no_push

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Event(msgspec.Struct):
    docker_url: str = ""
    updated_tags: tuple[str, ...] = ()


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    host, _, repository = event.docker_url.partition("/")
    if not event.updated_tags:
        yield no_push("it names no tag")
    for tag in dict.fromkeys(event.updated_tags):
        yield image(incoming.host or host, repository, tag)


SENDER = SenderKind(read, proof=ProofKind.PATH)
