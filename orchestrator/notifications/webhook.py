"""Any receiver of JSON, which knows the sender by an HMAC; `docs/notifications.md` says how it is verified.

X-Scanmatrix-Delivery: the same for every attempt of the same message
X-Scanmatrix-Timestamp: seconds since 1970 of this attempt
X-Scanmatrix-Signature-256: sha256=<HMAC-SHA256 over timestamp, a dot and the body, in hexadecimal>
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.notifications.credentials import reveal, reveal_url
from orchestrator.notifications.http import post
from orchestrator.notifications.interface import DeliveryUnavailableError, DeliveryUncertainError

if TYPE_CHECKING:
    from orchestrator.notifications.interface import Message, Parcel

#: Name and version of the body's format; the version grows when a key changes its meaning or goes.
FORMAT = "scanmatrix-notification/1"


def send(parcel: Parcel, until: float) -> None:
    """Post once; see `Channel`."""
    webhook = parcel.route.webhook
    assert webhook is not None  # noqa: S101 - the channel is chosen by this key
    url = reveal_url(webhook.url, parcel.environment, "webhook.url")
    secret = reveal(webhook.secret, parcel.environment, "webhook.secret")
    data = msgspec.json.encode(body(parcel.id, parcel.message))
    headers = signed(parcel.id, data, secret, int(time.time()))
    try:
        post(url, data, headers, pace=parcel.pace, until=until, secrets=(secret,))
    except DeliveryUncertainError as error:
        # The receiver knows the delivery again by its id.
        raise DeliveryUnavailableError(str(error)) from error


def signed(delivery: str, data: bytes, secret: str, timestamp: int) -> dict[str, str]:
    """The headers by which a receiver knows sender and delivery.

    Args:
        delivery: its id.
        data: the body.
        secret: that both sides know.
        timestamp: seconds since 1970.
    """
    digest = hmac.new(secret.encode(), b"%d." % timestamp + data, hashlib.sha256).hexdigest()
    return {
        "X-Scanmatrix-Delivery": delivery,
        "X-Scanmatrix-Timestamp": str(timestamp),
        "X-Scanmatrix-Signature-256": f"sha256={digest}",
    }


def body(delivery: str, message: Message) -> dict[str, Any]:
    """A message as JSON values; every key is always there."""
    left_out = {"channel", "recipient"}
    return {"format": FORMAT, "delivery": delivery} | {
        key: value for key, value in _plain(message).items() if key not in left_out
    }


def _plain(value: Any) -> Any:
    """Documents as mappings with all their fields, those with their default too."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value
