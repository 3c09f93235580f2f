"""Paths that more than their own routes must know, and how a path may be shown."""

from __future__ import annotations

#: Where events come; and below, where senders prove themselves in ways of their own, some by a secret in the path.
EVENTS, SENDER_PATHS = "/events", "/events/"


def shown_path(path: str) -> str:
    """As it was asked for, without what may be the secret of a sender of events."""
    return "/".join(path.split("/")[:3]) if path.startswith(SENDER_PATHS) else path
