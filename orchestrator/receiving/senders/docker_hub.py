"""Docker Hub's webhooks: https://docs.docker.com/docker-hub/repos/manage/webhooks/.

Nothing proves who sends them, so they come to a path that nobody can guess. They name no digest, and one push of an
image for several platforms is sent several times. `callback_url` is never called: its sender chooses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.docker_hub import HUB
from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import Incoming, ProofKind, SenderKind, SenderNotice, image

if TYPE_CHECKING:
    from collections.abc import Iterator


class _PushData(msgspec.Struct):
    tag: str = ""
    pushed_at: int | None = None


class _Repository(msgspec.Struct):
    repo_name: str = ""


class _Event(msgspec.Struct):
    push_data: _PushData = msgspec.field(default_factory=_PushData)
    repository: _Repository = msgspec.field(default_factory=_Repository)


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    moment = str(event.push_data.pushed_at or "")
    yield image(HUB, event.repository.repo_name, event.push_data.tag, moment=moment)


SENDER = SenderKind(read, proof=ProofKind.PATH)
