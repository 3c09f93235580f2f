"""What a kind of sender is to the rest: how it proves itself, and how its events are read."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.images.reference import is_repository, is_tag, parse
from orchestrator.kit.digests import DIGEST
from orchestrator.net.errors import InvalidReference
from orchestrator.receiving.cloudevents import CloudEvent
from orchestrator.receiving.messages import IMAGE_PUSHED, Push, PushKind, ReceivedEvent, Unwanted, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ProofKind(StrEnum):
    """How a request proves that it comes from a sender.

    HEADER: the header `Authorization` has the secret, as it is, or behind `Bearer` or `Token`.
    SIGNATURE: a header has an HMAC of the body by the secret.
    TOKEN_HEADER: another header has the secret itself.
    PATH: the secret is the last part of the path, because the sender can prove nothing.
    """

    HEADER = "header"
    SIGNATURE = "signature"
    TOKEN_HEADER = "token-header"  # noqa: S105 - a name
    PATH = "path"


class Incoming(NamedTuple):
    """What a sender told, before it is read.

    Attributes:
        sender: the sender's name in the configuration.
        host: registry or git host that the configuration says it speaks of; empty where its events name it.
        type: of the CloudEvent it came in, or what a header says it is; empty for none.
        id: of that CloudEvent, or of the delivery by a header; empty for none.
        data: the JSON.
    """

    sender: str
    host: str
    type: str
    id: str
    data: bytes

    @property
    def origin(self) -> str:
        """What it is, for messages."""
        return f"an event of {self.sender}"


class SenderNotice(NamedTuple):
    """One thing that a sender told: a push, or why it is none.

    Attributes:
        push: what was pushed.
        id: by which the sender knows it again; empty where it has none that stays the same.
        moment: when it happened, in the sender's own spelling; tells two pushes of the same thing apart.
        unwanted: why there is no push.
        why: the same in words.
    """

    push: Push | None = None
    id: str = ""
    moment: str = ""
    unwanted: Unwanted | None = None
    why: str = ""


def _no_handshake(_: bytes) -> dict[str, str]:
    return {}


class SenderKind(NamedTuple):
    """A kind of sender.

    Attributes:
        read: what it told, given what came; raises `ForeignJsonError` where the body is not what such a sender sends.
        proof: how it proves that a request is its own; the secret may be in the path instead, where it cannot sign.
        type_header: header that has the kind of event; empty where the body says it.
        proof_header: header that has the signature, or the secret itself; empty where neither has one of its own.
        handshake: the answer to a body by which it asks whether it may send; empty for all that is no such question.
    """

    read: Callable[[Incoming], Iterator[SenderNotice]]
    proof: ProofKind
    type_header: str = ""
    proof_header: str = ""
    handshake: Callable[[bytes], dict[str, str]] = _no_handshake


def event_of(incoming: Incoming, told: SenderNotice) -> ReceivedEvent:
    """The CloudEvent that stands for what a sender told.

    Its id is the sender's where there is one. Otherwise the same push at the same moment is the same event; and where
    no moment is sent, each is one of its own: a tag may go back to a digest that it had before.
    """
    push = told.push
    if push and not (told.id or told.moment):
        told = told._replace(id=secrets.token_hex(16))
    # What is no push is answered and never kept, so nothing is reckoned of a body that may have very many.
    said = (push.name, push.tag, push.digest) if push else ()
    found = ReceivedEvent(
        source=f"/events/{incoming.sender}",
        id=told.id or digest_of(*said, told.moment),
        type=f"io.scanmatrix.{push.kind}.pushed" if push else IMAGE_PUSHED,
        subject=push.target if push else "",
        push=push,
        unwanted=told.unwanted,
        why=told.why,
    )
    return msgspec.structs.replace(found, attributes=_attributes(found), data=_data(push)) if push else found


def _attributes(event: ReceivedEvent) -> dict[str, str]:
    return CloudEvent(event.id, event.source, event.type, event.subject, "", b"").attributes


def _data(push: Push) -> bytes:
    """What the CloudEvent of a push says, as anybody might have sent it."""
    if push.kind is PushKind.IMAGE:
        data = {"image": push.target, "tag": push.tag, "digest": push.digest}
    else:
        data = {"repository": push.name, "ref": push.tag, "commit": push.digest}
    return msgspec.json.encode({name: value for name, value in data.items() if value})


def image(
    registry: str, repository: str, tag: str = "", digest: str = "", *, id_: str = "", moment: str = ""
) -> SenderNotice:  # fmt: skip
    """A push of an image, if what the sender says of it is a name at all.

    Args:
        registry: host and port.
        repository: path within it.
        tag: empty for none, as of a push by digest.
        digest: empty where the sender does not tell it.
        id_: `SenderNotice.id`.
        moment: `SenderNotice.moment`.
    """
    if not is_repository(repository):
        return unreadable("the repository", repository)
    if tag and not is_tag(tag):
        return unreadable("the tag", tag)
    if digest and not DIGEST.fullmatch(digest):
        return unreadable("the digest", digest)
    if not (tag or digest):
        return SenderNotice(unwanted=Unwanted.UNREADABLE, why="it names neither a tag nor a digest")
    try:
        found = parse(f"{registry}/{repository}")
    except InvalidReference:
        return unreadable("the registry", registry)
    push = Push(PushKind.IMAGE, f"{found.registry}/{found.repository}", tag, digest)
    return SenderNotice(push=push, id=id_, moment=moment)


def named(reference: str, *, moment: str = "") -> SenderNotice:
    """The same of a whole reference."""
    try:
        found = parse(reference)
    except InvalidReference:
        return unreadable("the image", reference)
    return image(found.registry, found.repository, found.tag, found.digest, moment=moment)


def no_push(why: str) -> SenderNotice:
    """It tells something else."""
    return SenderNotice(unwanted=Unwanted.NO_PUSH, why=why)


def unreadable(what: str, value: str) -> SenderNotice:
    """What names the image is no such name."""
    return SenderNotice(unwanted=Unwanted.UNREADABLE, why=f"{what} is {value[:200]!r}, which is none")


def no_image(why: str) -> SenderNotice:
    """What was pushed is, by its type, nothing that a container runtime would run."""
    return SenderNotice(unwanted=Unwanted.NOT_AN_IMAGE, why=why)
