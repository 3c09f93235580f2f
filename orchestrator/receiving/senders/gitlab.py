"""GitLab's webhooks of pushes and tags: https://docs.gitlab.com/user/project/integrations/webhook_events/.

Its container registry has none of its own: that one sends the notifications of `distribution`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.commits import commits
from orchestrator.receiving.senders.interface import Incoming, ProofKind, SenderKind, SenderNotice, no_push

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUSHED = {"push", "tag_push"}


class _Project(msgspec.Struct):
    git_http_url: str = ""
    default_branch: str = ""


class _Event(msgspec.Struct):
    object_kind: str = ""
    ref: str = ""
    after: str = ""
    checkout_sha: str = ""
    project: _Project = msgspec.field(default_factory=_Project)


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    if event.object_kind not in _PUSHED:
        yield no_push(f"the event is {event.object_kind[:40]!r}")
        return
    # Of an annotated tag `after` is the tag's own object.
    commit, project = event.checkout_sha or event.after, event.project
    yield commits(project.git_http_url, event.ref, commit, incoming.id, default=project.default_branch)


SENDER = SenderKind(read, proof=ProofKind.TOKEN_HEADER, type_header="x-gitlab-event", proof_header="x-gitlab-token")
