"""Rows of the database as the documents that questions are answered with."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.model import Document, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Row

_Answer = TypeVar("_Answer", bound=Document)

#: Severities by their rank, as `facts` has them.
SEVERITIES = tuple(Severity)


def answer(kind: type[_Answer], row: Row[*tuple[Any, ...]], **others: Any) -> _Answer:
    """A document with the columns of a row that have the names of its fields, and with what is given besides."""
    names, read = _reader(kind, frozenset(others))
    return kind(**dict(zip(names, read(row), strict=True)), **others)


@cache
def _reader(kind: type[Document], others: frozenset[str]) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The fields that a row gives, and what reads them all at once: answers have up to thousands of rows."""
    names = tuple(name for name in kind.__struct_fields__ if name not in others)
    if len(names) == 1:
        return names, lambda row: (getattr(row, names[0]),)
    return names, attrgetter(*names)


def when(seconds: int) -> datetime | None:
    """A moment of the store; None for none."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def outcome(text: str) -> Outcome | None:
    """An outcome of the store; None for none."""
    return Outcome(text) if text else None
