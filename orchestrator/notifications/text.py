"""Text of strangers (names of packages, reasons of failures) made fit for one line of a message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.notifications.interface import Message

# Ways to call everybody in Slack, Mattermost and Discord, where they are read out of plain text.
_EVERYBODY = re.compile(r"@(?=(?:here|channel|all|everyone|group)\b)", re.IGNORECASE)


def line(text: str, most: int = 200) -> str:
    """One line of visible characters.

    Line breaks become spaces, what else is hidden the escapes of `orchestrator.kit.text`, and what is longer than
    `most` characters is cut, with `…` at its end.
    """
    one = visible(" ".join(text[: most * 4].split()))
    return one if len(one) <= most else f"{one[: most - 1].rstrip()}…"


def calm(text: str) -> str:
    """The text with a word joiner after each `@` that would call everybody."""
    return _EVERYBODY.sub("@\u2060", text)


def count(number: int, one: str, many: str = "") -> str:
    """`1 finding`, `2,000 findings`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def severities(found: Mapping[str, int]) -> str:
    """`2 critical, 5 high`."""
    return ", ".join(f"{number:,} {severity}" for severity, number in found.items())


def headline(message: Message) -> str:
    """What changed, in a few words: the subject of an e-mail, the first line of a chat."""
    parts = [
        (message.new.total, "new finding", "new findings"),
        (message.first.total, "finding in newly scanned targets", "findings in newly scanned targets"),
        (message.fixed.total, "fixed", "fixed"),
        (message.gone.total, "no longer scanned", "no longer scanned"),
        (message.failed.total, "failed cell", "failed cells"),
        (len(message.broken), "broken rule", "broken rules"),
        (len(message.mended), "rule met again", "rules met again"),
    ]
    told = ", ".join(count(number, one, many) for number, one, many in parts if number)
    return f"{'Correction: ' if message.correction else ''}{told or 'nothing changed'}"
