"""URLs that people and strangers write: taken apart without an exception, and what the URL of a service must be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.kit.placeholders import placeholders

if TYPE_CHECKING:
    from urllib.parse import SplitResult

#: How to write the URL of a service.
WEB_URL = "https://host/path or http://host:port/path"

_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")


def split_url(url: str) -> SplitResult | None:
    """The parts of a URL; None where it has none: brackets that hold no address, a port that is no number."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is none
    except ValueError:
        return None
    return parts


def holds_blanks(url: str) -> bool:
    """Whether a URL has blanks or control characters in it, which no URL may have."""
    return _BLANK.search(url) is not None


def judge_web_url(url: str, *, written: str = WEB_URL, login: str = "it must not hold a user or password") -> str:
    """What is wrong with the URL of a service, without naming it, since it may hold a secret; empty for nothing.

    Args:
        url: http or https.
        written: how to write it.
        login: what to tell where it holds a user or a password.
    """
    parts = split_url(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or holds_blanks(url):
        return f"this is not a URL; write it as {written}"
    if "@" in parts.netloc:
        return login
    if any(placeholders(url)):
        return "it holds a placeholder, and nothing is filled in here"
    return ""
