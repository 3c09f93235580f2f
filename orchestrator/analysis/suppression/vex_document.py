"""What the readers of VEX documents share: what they return, and the mistakes they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from orchestrator.kit.advice import ours
from orchestrator.kit.sources import Problem, suggest
from orchestrator.model import JUSTIFICATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import VexStatement

# What an author says in words; it is shown in a column, and travels in the plan.
_MOST_TEXT = 500
# Of one document; they travel in the plan.
_MOST_REMARKS = 20


@dataclass
class VexDocument:
    """A VEX document as it was read.

    Attributes:
        file: as the user named it.
        id: of the document; empty when it has none.
        version: of the document; a higher one of the same id replaces it.
        statements: none, where there are problems.
        problems: why it cannot be read at all; no run starts with it.
        mistakes: what is wrong with single statements, which are left out, or hold with less than they say.
        notes: what was left out though it is right, a sentence each.
    """

    file: str
    id: str = ""
    version: int = 0
    statements: list[VexStatement] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    mistakes: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def named(cls, file: str, id_: object, version: object) -> Self:
        """An empty one, by what the document itself says of its id and version, whatever that is."""
        number = str(version)
        return cls(file, id_ if isinstance(id_, str) else "", int(number) if number.isdecimal() else 0)

    @property
    def source(self) -> str:
        """For people: the file, and the id of the document."""
        return f"{self.file} ({self.id})" if self.id else self.file

    def mistake(self, statement: str, message: str) -> None:
        """Remember what is wrong with a statement: a note of every run, and a problem for `lint`."""
        self.mistakes.append(Problem(self.file, 0, f"{statement}: {message}"))

    def note(self, statement: str, message: str) -> None:
        """Remember what of a statement cannot be matched with anything here."""
        self.notes.append(f"{self.source}: {statement}: {message}")

    def remarks(self) -> list[str]:
        """Mistakes and notes for people, a sentence each; the first of them, and how many more there are."""
        found = [f"{self.source}: {each.message}" for each in self.mistakes] + self.notes
        count = len(found) - _MOST_REMARKS
        more = [f"{self.source}: and {count} more remarks; {ours('lint', self.file)} names all mistakes"]
        return [*found[:_MOST_REMARKS], *(more if len(found) > _MOST_REMARKS else [])]


def spell_exactly(text: str) -> str:
    """A moment of a document as RFC 3339 in UTC, fractions kept; without a time zone it is taken for UTC.

    Raises:
        ValueError: it is not a moment.
    """
    try:
        parsed = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write it as 2026-01-31T12:00:00Z") from None
    moment = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def spell_first(texts: Sequence[str | None], statement: str, result: VexDocument) -> str:
    """The first of several times that is one, as `spell_exactly` writes it; those that are none are mistakes.

    Returns:
        Empty without any: such a statement is older than all others.
    """
    for text in filter(None, texts):
        try:
            return spell_exactly(text)
        except ValueError as error:
            result.mistake(statement, str(error))
    return ""


def without_nulls(value: Any) -> Any:
    """JSON without members that are null: some tools write those for what the specification leaves out."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def one_line(text: str) -> str:
    """A text of any author on one line, not too long."""
    text = " ".join(text.split())
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def unknown(what: str, word: str, known: Sequence[str]) -> str:
    """What to tell someone who uses a word that VEX does not have."""
    return f"unknown {what} {word!r}{suggest(word, known)} (there are {', '.join(known)})"


def judge_justification(word: str) -> str:
    """What is wrong with a justification; empty when nothing is."""
    return "" if not word or word in JUSTIFICATIONS else unknown("justification", word, JUSTIFICATIONS)
