"""GitHub's webhook `push`: https://docs.github.com/en/webhooks/webhook-events-and-payloads#push."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.commits import commits, no_ref
from orchestrator.receiving.senders.interface import Incoming, ProofKind, SenderKind, SenderNotice, no_push

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Repository(msgspec.Struct):
    clone_url: str = ""
    default_branch: str = ""


class _Event(msgspec.Struct):
    ref: str = ""
    after: str = ""
    deleted: bool = False
    repository: _Repository = msgspec.field(default_factory=_Repository)


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    if incoming.type != "push":
        yield no_push(f"the event is {incoming.type[:40]!r}")
        return
    event = decode(incoming.data, _Event, origin=incoming.origin)
    if event.deleted:
        yield no_ref()
    else:
        found = event.repository
        yield commits(found.clone_url, event.ref, event.after, incoming.id, default=found.default_branch)


SENDER = SenderKind(read, proof=ProofKind.SIGNATURE, type_header="x-github-event", proof_header="x-hub-signature-256")
