"""Azure's container registry: its own webhooks, and Event Grid's in the schemas of CloudEvents and of Event Grid.

https://learn.microsoft.com/azure/container-registry/container-registry-webhook-reference and
https://learn.microsoft.com/azure/event-grid/event-schema-container-registry. Event Grid first asks whether it may send:
what `validation_code` finds is the answer in its own schema; in that of CloudEvents it is a request with OPTIONS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.kit.foreign_json import ForeignJsonError, decode
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

_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_PUSHED = {"push", "Microsoft.ContainerRegistry.ImagePushed"}


class _Data(RegistryEvent, rename="camel"):
    validation_code: str = ""


class _GridEvent(_Data, rename="camel"):
    """An event of Event Grid's own schema has `data`; a webhook is that data itself."""

    event_type: str = ""
    data: _Data | None = None


def validation_code(data: bytes) -> str:
    """What Event Grid wants to hear before it sends anything; empty for everything else that may come."""
    try:
        events = _events(data, "a subscription of Event Grid")
    except ForeignJsonError:
        return ""
    found = (event.data.validation_code for event in events if event.event_type == _VALIDATION and event.data)
    return next(found, "")


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    for event in _events(incoming.data, incoming.origin):
        data = event.data or event
        kind = incoming.type or event.event_type or data.action
        if kind not in _PUSHED:
            yield no_push(f"the action is {kind[:60]!r}")
        elif data.target.media_type and data.target.media_type not in IMAGE_TYPES:
            yield no_image(f"of type {data.target.media_type[:80]!r}")
        else:
            host = incoming.host or data.request.host
            target = data.target
            yield image(host, target.repository, target.tag, target.digest, id_=data.id, moment=data.timestamp)


def _events(data: bytes, origin: str) -> tuple[_GridEvent, ...]:
    if data.lstrip()[:1] == b"[":
        return decode(data, tuple[_GridEvent, ...], origin=origin)
    return (decode(data, _GridEvent, origin=origin),)


def _handshake(data: bytes) -> dict[str, str]:
    code = validation_code(data)
    return {"validationResponse": code} if code else {}


SENDER = SenderKind(read, proof=ProofKind.PATH, handshake=_handshake)
