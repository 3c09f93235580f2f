"""A message as titles and lines, for chats and the plain part of e-mails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.notifications.text import count, severities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.notifications.interface import Change, Changes, FirstScans, Message


class Style(Protocol):
    """How text is marked up."""

    def foreign(self, text: str) -> str:
        """Text of strangers."""
        ...

    def strong(self, text: str) -> str:
        """Words of ours that stand out."""
        ...


@dataclass(frozen=True)
class Paragraph:
    """One kind of change.

    Attributes:
        title: with how many there are.
        lines: one for each that is shown.
        rest: what to say when a limited number of the lines are shown; empty for nothing.
    """

    title: str
    lines: tuple[str, ...]
    rest: Callable[[int], str]


def opening(message: Message, style: Style) -> str:
    """Which run, when, and what the policy says of it."""
    remark = f" ({style.foreign(message.remark)})" if message.remark else ""
    verdict = f"Policy: passed{remark}." if message.passed else f"Policy: {style.strong('broken')}{remark}."
    told = " You were notified about it before; it has other results now." if message.correction else ""
    return f"Run {style.foreign(message.run)} ended {style.foreign(message.finished)}. {verdict}{told}"


def paragraphs(message: Message, style: Style) -> list[Paragraph]:
    """What changed, the most urgent first; nothing for what did not."""
    found = [
        _policy(message, style),
        _changes("New findings", message.new, style),
        _first(message.first, style),
        _failed(message, style),
        _changes("Fixed", message.fixed, style),
        _changes("No longer scanned", message.gone, style),
    ]
    return [paragraph for paragraph in found if paragraph is not None]


def _policy(message: Message, style: Style) -> Paragraph | None:
    if not message.broken and not message.mended:
        return None
    broken = [f"{style.strong('broken')} {style.foreign(rule.message)}" for rule in message.broken]
    mended = [f"met again: {style.foreign(rule)}" for rule in message.mended]
    still = f"still broken: {', '.join(map(style.foreign, message.still_broken))}" if message.still_broken else ""
    lines = (*broken, *mended, *([still] if still else []))
    return Paragraph("Policy", lines, lambda shown: _more(len(lines) - shown, "line"))


def _changes(title: str, changes: Changes, style: Style) -> Paragraph | None:
    if not changes.total:
        return None

    def rest(shown: int) -> str:
        return _more(changes.total - sum(change.count for change in changes.shown[:shown]), "finding")

    lines = tuple(" ".join(_words(change, style)) for change in changes.shown)
    return Paragraph(f"{title}: {changes.total:,} ({severities(changes.severities)})", lines, rest)


def _words(change: Change, style: Style) -> Iterator[str]:
    yield style.strong(change.severity)
    yield style.foreign(change.id)
    if change.package:
        yield f"in {style.foreign(f'{change.package} {change.version}'.strip())}"
    if change.fixed_version:
        yield f"(fixed in {style.foreign(change.fixed_version)})"
    if change.targets:
        others = change.target_count - 1
        yield f"of {style.foreign(change.targets[0])}" + (f" and {count(others, 'other')}" if others > 0 else "")
    if change.owners:
        yield f"[{', '.join(map(style.foreign, change.owners))}]"
    if change.note:
        yield style.foreign(change.note)


def _first(first: FirstScans, style: Style) -> Paragraph | None:
    if not first.targets:
        return None
    title = f"Scanned for the first time: {count(first.targets, 'target')} with {count(first.total, 'finding')}"
    lines = tuple(
        f"{style.foreign(one.target)}: {severities(one.severities)}"
        + (f" [{', '.join(map(style.foreign, one.owners))}]" if one.owners else "")
        for one in first.shown
    )
    return Paragraph(
        f"{title} ({severities(first.severities)})", lines, lambda shown: _more(first.targets - shown, "target")
    )


def _failed(message: Message, style: Style) -> Paragraph | None:
    failed = message.failed
    if not failed.total:
        return None
    still = f", beside {failed.still:,} that failed before" if failed.still else ""
    lines = tuple(
        f"{style.foreign(cell.target)} × {style.foreign(cell.scan)}: {style.foreign(cell.reason)}"
        for cell in failed.shown
    )
    return Paragraph(f"Failed cells: {failed.total:,}{still}", lines, lambda shown: _more(failed.total - shown, "cell"))


def _more(number: int, what: str) -> str:
    return f"and {count(number, 'more ' + what)}" if number > 0 else ""
