"""The findings of targets and scans: read as spans, and written as what came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, update

from orchestrator.results.store.dialects import among, insert_each
from orchestrator.results.store.schema import findings, runs
from orchestrator.results.store.spans import Position, Reweaving, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row

_KEY = (
    findings.c.state_id == bindparam("state_"),
    findings.c.fact_id == bindparam("fact_"),
    findings.c.first_run_id == bindparam("first_"),
)


class History:
    """Spans by the ids of their states.

    Attributes:
        opened: findings that came.
        closed: findings that went.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        with connection.begin():
            self._runs = {row.id: row.run for row in connection.execute(select(runs.c.id, runs.c.run))}
        self._ids = {name: id_ for id_, name in self._runs.items()}
        self._open: dict[int, list[Span]] = {}
        self.opened = self.closed = 0

    def place(self, at: int, run_id: int) -> Position:
        """The place of a run's cell."""
        return Position(at, self._runs[run_id])

    def look_ahead(self, wanted: Sequence[int]) -> None:
        """Read what is open of these states, all at once."""
        self._open = {}
        if wanted:
            of_states = among(self._connection, findings.c.state_id, wanted)
            with self._connection.begin():
                for state, span in self._spans(of_states, findings.c.gone_at == 0):
                    self._open.setdefault(state, []).append(span)

    def open_spans(self, state: int) -> list[Span]:
        """What was open of a state when we looked ahead."""
        return self._open.pop(state, [])

    def all_spans(self, state: int) -> list[Span]:
        """Every span of a state."""
        return [span for _, span in self._spans(findings.c.state_id == state)]

    def _spans(self, *conditions: Any) -> list[tuple[int, Span]]:
        return [
            (row.state_id, self._span(row)) for row in self._connection.execute(select(findings).where(*conditions))
        ]

    def _span(self, row: Row[Any]) -> Span:
        first = Position(row.first_at, self._runs[row.first_run_id])
        if not row.gone_run_id:
            return Span(row.fact_id, first)
        last = Position(row.last_at, self._runs[row.last_run_id])
        return Span(row.fact_id, first, last, Position(row.gone_at, self._runs[row.gone_run_id]))

    def apply(self, state: int, change: Reweaving) -> None:
        """Write what changed of a state."""
        out = {(span.fact, span.first): span for span in change.out}
        into = {(span.fact, span.first): span for span in change.into}
        self.closed += sum(span.gone is not None for key, span in into.items() if key in out)
        self.opened += len(into.keys() - out.keys())
        lost = [self._key(state, span) for key, span in out.items() if key not in into]
        kept = [{**self._key(state, span), **self._ends(span)} for key, span in into.items() if key in out]
        if lost:
            self._connection.execute(_DELETE, lost)
        if kept:
            self._connection.execute(_UPDATE, kept)
        alike: dict[tuple[Position, Position | None, Position | None], list[Span]] = {}
        for key, span in into.items():
            if key not in out:
                alike.setdefault((span.first, span.last, span.gone), []).append(span)
        for (first, _, _), some in alike.items():
            same = {
                "state_id": state,
                "first_run_id": self._ids[first.run],
                "first_at": first.at,
                **self._ends(some[0]),
            }
            insert_each(self._connection, findings, "fact_id", [span.fact for span in some], same)

    def _key(self, state: int, span: Span) -> dict[str, Any]:
        return {"state_": state, "fact_": span.fact, "first_": self._ids[span.first.run]}

    def _ends(self, span: Span) -> dict[str, Any]:
        last, gone = span.last, span.gone
        return {
            "last_run_id": self._ids[last.run] if last else None,
            "last_at": last.at if last else 0,
            "gone_run_id": self._ids[gone.run] if gone else None,
            "gone_at": gone.at if gone else 0,
        }


_DELETE = delete(findings).where(*_KEY)
_UPDATE = (
    update(findings)
    .where(*_KEY)
    .values({name: bindparam(name) for name in ("last_run_id", "last_at", "gone_run_id", "gone_at")})
)
