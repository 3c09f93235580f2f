"""Google's Artifact Registry: messages of the Pub/Sub topic `gcr`, pushed by a subscription.

https://cloud.google.com/artifact-registry/docs/configure-notifications and
https://cloud.google.com/pubsub/docs/push: a wrapper with the message as base64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import Incoming, ProofKind, SenderKind, SenderNotice, named, no_push

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Message(msgspec.Struct, rename="camel"):
    data: bytes = b""
    message_id: str = ""
    publish_time: str = ""


class _Wrapper(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)


class _Action(msgspec.Struct):
    action: str = ""
    digest: str = ""
    tag: str = ""


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    message = decode(incoming.data, _Wrapper, origin=incoming.origin).message
    event = decode(message.data, _Action, origin=incoming.origin)
    if event.action != "INSERT":
        yield no_push(f"the action is {event.action[:40]!r}")
        return
    # Both are whole references; the tag's has the name, the digest's what it is.
    _, _, digest = event.digest.partition("@")
    told = named(f"{event.tag}@{digest}" if event.tag and digest else event.digest or event.tag)
    yield told._replace(id=message.message_id, moment=message.publish_time) if told.push else told


SENDER = SenderKind(read, proof=ProofKind.HEADER)
