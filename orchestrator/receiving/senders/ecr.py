"""Amazon's container registry, by an EventBridge rule with an API destination: events `ECR Image Action`.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html. The host is made of account and region
(https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html); in other partitions `host` says it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from orchestrator.kit.foreign_json import decode
from orchestrator.receiving.senders.interface import (
    Incoming,
    ProofKind,
    SenderKind,
    SenderNotice,
    image,
    no_image,
    no_push,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCOUNT, _REGION = re.compile(r"[0-9]{12}"), re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]{1,2}")


class _Detail(msgspec.Struct, rename="kebab"):
    action_type: str = ""
    result: str = ""
    repository_name: str = ""
    image_digest: str = ""
    image_tag: str = ""
    artifact_media_type: str = ""


class _Event(msgspec.Struct):
    id: str = ""
    detail_type: str = msgspec.field(default="", name="detail-type")
    account: str = ""
    region: str = ""
    time: str = ""
    detail: _Detail = msgspec.field(default_factory=_Detail)


def read(incoming: Incoming) -> Iterator[SenderNotice]:
    """See `SenderKind.read`."""
    event = decode(incoming.data, _Event, origin=incoming.origin)
    detail = event.detail
    if event.detail_type != "ECR Image Action" or detail.action_type != "PUSH":
        yield no_push(f"{event.detail_type[:40]!r}, {detail.action_type[:40]!r}")
    elif detail.result != "SUCCESS":
        yield no_push(f"its result is {detail.result[:40]!r}")
    elif detail.artifact_media_type and not _is_image(detail.artifact_media_type):
        yield no_image(f"of type {detail.artifact_media_type[:80]!r}")
    elif not (incoming.host or (_ACCOUNT.fullmatch(event.account) and _REGION.fullmatch(event.region))):
        yield unreadable("the account and region", f"{event.account} {event.region}")
    else:
        host = incoming.host or f"{event.account}.dkr.ecr.{event.region}.amazonaws.com"
        yield image(
            host, detail.repository_name, detail.image_tag, detail.image_digest, id_=event.id, moment=event.time
        )


def _is_image(media_type: str) -> bool:
    """By the type of its config, which is what ECR calls the artifact's."""
    return media_type.startswith(("application/vnd.docker.container.image", "application/vnd.oci.image"))


SENDER = SenderKind(read, proof=ProofKind.HEADER)
