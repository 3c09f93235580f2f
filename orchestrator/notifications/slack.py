"""Incoming webhooks of Slack, and of what speaks like it (Mattermost, Rocket.Chat, Discord's `/slack`).

Slack shows the blocks, the others the text, so both say the same. Limits and escapes are those of Slack's
documentation ("Block Kit", "Formatting text for app surfaces"): 50 blocks, 150 characters in a header, 3,000 in a
section, `&`, `<` and `>` as entities. Everything that strangers wrote stands in code spans, where no mark-up is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.config.notify import CONTACT
from orchestrator.notifications.credentials import reveal_url
from orchestrator.notifications.http import post
from orchestrator.notifications.paragraphs import opening, paragraphs
from orchestrator.notifications.text import calm, headline, line

if TYPE_CHECKING:
    from orchestrator.notifications.interface import Message, Parcel
    from orchestrator.notifications.paragraphs import Paragraph

_HEADER_LIMIT = 150
_SECTION_LIMIT = 3000
_TEXT_LIMIT = 12_000
_LONGEST = 300
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"})


class _Mrkdwn:
    """Slack's mark-up; see `orchestrator.notifications.paragraphs.Style`."""

    def foreign(self, text: str) -> str:
        """A code span; nothing for nothing."""
        shown = line(text, _LONGEST)
        return f"`{calm(shown).translate(_ENTITIES)}`" if shown else ""

    def strong(self, text: str) -> str:
        """Bold."""
        return f"*{text}*"


def send(parcel: Parcel, until: float) -> None:
    """Post once; see `Channel`."""
    slack = parcel.route.slack
    assert slack is not None  # noqa: S101 - the channel is chosen by this key
    url = reveal_url(slack.url, parcel.environment, "slack.url")
    body = msgspec.json.encode(payload(parcel.message))
    post(url, body, {}, pace=parcel.pace, until=until)


def payload(message: Message) -> dict[str, Any]:
    """A message as an incoming webhook takes it."""
    style = _Mrkdwn()
    title = line(f"scanmatrix: {headline(message)}", _HEADER_LIMIT)
    texts = [opening(message, style), *(_text(each, _SECTION_LIMIT) for each in paragraphs(message, style))]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": title, "emoji": False}}]
    blocks += [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts]
    found: dict[str, Any] = {"text": _bounded([f"*{title}*", *texts], _TEXT_LIMIT), "blocks": blocks}
    if message.recipient and message.recipient != CONTACT:
        found["channel"] = message.recipient
    return found


def _text(paragraph: Paragraph, limit: int) -> str:
    """Title and as many lines as fit, and how many do not."""
    lines = [f"• {each}" for each in paragraph.lines]
    for shown in range(len(lines), -1, -1):
        rest = paragraph.rest(shown)
        text = "\n".join([f"*{paragraph.title}*", *lines[:shown], *([rest] if rest else [])])
        if len(text) <= limit:
            return text
    return f"*{paragraph.title}*"


def _bounded(texts: list[str], limit: int) -> str:
    """Whole texts as long as they fit."""
    found = ""
    for text in texts:
        joined = f"{found}\n{text}" if found else text
        if len(joined) > limit:
            return found
        found = joined
    return found
