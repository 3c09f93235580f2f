"""An event as we keep it, what was pushed according to it, and why it may be of no use."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.kit.foreign_json import decode
from orchestrator.model import Document

#: Types of the CloudEvents that adapters make of what registries and git hosts send, and that anybody may send.
IMAGE_PUSHED, REPOSITORY_PUSHED = "io.scanmatrix.image.pushed", "io.scanmatrix.repository.pushed"
#: Characters of an id, a source, a type that are accepted: an honest one has fewer, and databases index no more.
LONGEST = 512


class EventError(PermanentError):
    """What was sent is no event, or says of itself what cannot be; sending it again does not help."""


class EventTypeError(EventError):
    """A body of a media type in which no event comes."""


class ProofError(PermanentError):
    """Nothing proves that an event comes from its sender."""


class Unwanted(StrEnum):
    """Why nothing is done about an event; each is one value of a label of a metric, so there are few.

    NO_PUSH: it tells something else than a push: a pull, a deletion, a blob, a test.
    NOT_AN_IMAGE: what was pushed is a chart, a signature, a report, or another artifact nobody runs.
    UNREADABLE: its sender left out, or misspelt, what names the image.
    NO_RULE: no rule of the configuration is about it.
    DUPLICATE: it was received before.
    SUPERSEDED: a later push to the same tag came before it was its turn.
    SAME_DIGEST: what was pushed is what an earlier event had scanned.
    TOO_LARGE: it might start jobs, and says more than is kept.
    NO_ACTION: no action of the job configuration is about it.
    """

    NO_PUSH = "no-push"
    NOT_AN_IMAGE = "not-an-image"
    UNREADABLE = "unreadable"
    NO_RULE = "no-rule"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    SAME_DIGEST = "same-digest"
    TOO_LARGE = "too-large"
    NO_ACTION = "no-action"


class PushKind(StrEnum):
    """What was pushed: an image to a registry, or commits to a source repository."""

    IMAGE = "image"
    REPOSITORY = "repository"


class Push(Document, frozen=True):
    """What was pushed.

    Attributes:
        kind: an image, or commits.
        name: of an image `registry/repository`, as `orchestrator.images.reference` spells it; of commits the `https://`
            URL of their repository.
        tag: of the image, or the branch or tag of the commits; empty for none.
        digest: of the image's manifest or index, or the commit; empty where the sender does not tell it.
        is_default: of commits, whether the branch is the one that stands for the repository.
    """

    kind: PushKind
    name: str
    tag: str = ""
    digest: str = ""
    is_default: bool = False

    @property
    def target(self) -> str:
        """The name of the target that it stands for; of an image that was pushed without a tag, by its digest."""
        if self.kind is PushKind.REPOSITORY:
            return self.name if self.is_default or not self.tag else f"{self.name}#{self.tag}"
        return f"{self.name}:{self.tag}" if self.tag else f"{self.name}@{self.digest}"


class ReceivedEvent(Document, frozen=True):
    """One event.

    Attributes:
        source: who says that it happened; with `id` it is the event's identity (CloudEvents 1.0, "id").
        id: given by its source.
        type: what happened.
        subject: what it happened to, as its source says; empty for nothing.
        push: what was pushed; None where it tells of nothing else, see `unwanted`.
        unwanted: why nothing is to be done about it.
        why: the same in words, for logs.
        attributes: of the CloudEvent, those that are kept of its extensions among them.
        data: of the CloudEvent, as it came; not looked at yet.
    """

    source: str
    id: str
    type: str
    subject: str = ""
    push: Push | None = None
    unwanted: Unwanted | None = None
    why: str = ""
    attributes: dict[str, str] = msgspec.field(default_factory=dict)
    data: bytes = b""

    @property
    def key(self) -> str:
        """Tells it from other events: 32 hexadecimal digits of source and id."""
        return digest_of(self.source, self.id)

    @property
    def job_key(self) -> str:
        """The same of what jobs do about it, apart from what it has scanned."""
        return digest_of(self.source, self.id, "job")

    def whole(self) -> bytes:
        """The CloudEvent as structured JSON, in whatever mode it came.

        Raises:
            ForeignJsonError: its data is not JSON.
        """
        document: dict[str, Any] = dict(self.attributes)
        if self.data:
            document["data"] = decode(self.data, Any, origin=f"the data of event {self.id[:80]}")
        return msgspec.json.encode(document)


class EventRequest(NamedTuple):
    """A request that brings events.

    Attributes:
        headers: by their names in lower case.
        body: as it was sent.
    """

    headers: dict[str, str]
    body: bytes


def digest_of(*parts: str) -> str:
    """32 hexadecimal digits that stand for some texts, wherever one of them ends and the next begins."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]
