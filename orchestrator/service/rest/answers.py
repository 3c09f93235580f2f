"""Answers as JSON: our frozen types with every field, as the command line prints them."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import msgspec
from fastapi import Response

from orchestrator.api.json_documents import plain
from orchestrator.service.rest.problems import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from orchestrator.results.coverage import Coverage

P = ParamSpec("P")
#: Targets of which nothing is known that a page names; `coverage` counts all.
SHOWN_UNKNOWN = 100


class JsonAnswer(Response):
    """An answer of our own types."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The document."""
        return content if isinstance(content, bytes) else encoded(content)


def encoded(value: Any) -> bytes:
    """Our own types as JSON. Of what may be large it is a question's thread that calls this, not the loop of all."""
    return msgspec.json.encode(plain(value))


def as_json(question: Callable[P, Any]) -> Callable[P, bytes]:
    """A question whose answer is JSON already: `state.ask(as_json(lists.suppressions), config)`."""

    @wraps(question)
    def answer(*args: P.args, **named: P.kwargs) -> bytes:
        """The answer's document."""
        return encoded(question(*args, **named))

    return answer


def covered(coverage: Coverage) -> dict[str, Any]:
    """What an answer rests on, for its document: an empty list is never clean by itself."""
    return coverage.document(SHOWN_UNKNOWN)


def only(rows: Sequence[Mapping[str, Any]], fields: str, known: Collection[str]) -> list[dict[str, Any]]:
    """Rows with the fields that were asked for.

    Args:
        rows: with all fields.
        fields: names, separated by commas; empty for all.
        known: names that there are.

    Raises:
        RequestError: there is no such field.
    """
    wanted = [name for each in fields.split(",") if (name := each.strip())]
    if unknown := sorted(set(wanted) - set(known)):
        raise RequestError(f"fields: there is no {', '.join(unknown[:5])}; there are {', '.join(known)}")
    return [{name: row[name] for name in wanted} if wanted else dict(row) for row in rows]
