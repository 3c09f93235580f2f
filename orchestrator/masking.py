"""Tokens taken out of text before it is written down: what a scanner prints is a stranger's."""

from __future__ import annotations

import re

_SHOWN = "***"
# As GitHub, GitLab and Bitbucket make them, so that they can be found.
_TOKEN = re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl(?:pat|oas|dt|ptt)-[\w-]{20,}|ATBB\w{20,})")


def mask(text: str, *known: str) -> str:
    """Text without tokens: those that are known, and those that look like one.

    Args:
        text: to be written down.
        known: tokens that it might hold.
    """
    for token in known:
        if token:
            text = text.replace(token, _SHOWN)
    return _TOKEN.sub(_SHOWN, text)
