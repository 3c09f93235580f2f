"""Rows of the database as the documents that questions are answered with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.model import Document, Outcome, Severity

if TYPE_CHECKING:
    from sqlalchemy import Row

_Answer = TypeVar("_Answer", bound=Document)

#: Severities by their rank, as `facts` has them.
SEVERITIES = tuple(Severity)


def answer(kind: type[_Answer], row: Row[*tuple[Any, ...]], **others: Any) -> _Answer:
    """A document with the columns of a row that have the names of its fields, and with what is given besides."""
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__ if name not in others}, **others)


def when(seconds: int) -> datetime | None:
    """A moment of the store; None for none."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def outcome(text: str) -> Outcome | None:
    """An outcome of the store; None for none."""
    return Outcome(text) if text else None
