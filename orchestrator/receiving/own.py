"""Events of our own two types, which anybody with a token may send: an image, or commits, were pushed.

{"specversion": "1.0", "type": "io.scanmatrix.image.pushed", "source": "/ci", "id": "4711",
 "data": {"image": "registry.example/shop/web:1.4@sha256:…"}}
{…, "type": "io.scanmatrix.repository.pushed",
 "data": {"repository": "https://git.example/shop.git", "ref": "main", "commit": "…"}}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.messages import IMAGE_PUSHED, REPOSITORY_PUSHED, ReceivedEvent
from orchestrator.receiving.senders.commits import commits
from orchestrator.receiving.senders.interface import named, no_push

if TYPE_CHECKING:
    from orchestrator.receiving.cloudevents import CloudEvent


class _Image(msgspec.Struct):
    image: str


class _Commits(msgspec.Struct):
    repository: str
    commit: str
    ref: str = "HEAD"


def read_own(event: CloudEvent) -> ReceivedEvent:
    """What it tells.

    Raises:
        ForeignJsonError: its data is not that of its type.
    """
    origin = f"the data of event {event.id}"
    if event.type == IMAGE_PUSHED:
        told = named(decode(event.data, _Image, origin=origin).image)
    elif event.type == REPOSITORY_PUSHED:
        found = decode(event.data, _Commits, origin=origin)
        ref = found.ref if found.ref.startswith("refs/") else f"refs/heads/{found.ref}"
        told = commits(found.repository, ref, found.commit, event.id)
    else:
        told = no_push(f"the type is {event.type[:80]!r}; known are {IMAGE_PUSHED} and {REPOSITORY_PUSHED}")
    return ReceivedEvent(
        source=event.source,
        id=event.id,
        type=event.type,
        subject=event.subject or (told.push.target if told.push else ""),
        push=told.push,
        unwanted=told.unwanted,
        why=told.why,
        attributes=event.attributes,
        data=event.data,
    )
