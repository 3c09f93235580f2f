"""The findings of targets and scans: read as spans, and written as what came and went."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, or_, select, update

from orchestrator.store.dialects import among, batches, insert_numbers, rows_by, rows_by_pairs, upsert
from orchestrator.store.schema import findings, runs, states
from orchestrator.store.spans import Position, Reweaving, Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Row

_COLUMNS = tuple(findings.columns.keys())
_KEY = tuple(findings.primary_key.columns.keys())
_FINDINGS = select(findings)
_OF_FACTS = select(states.c.target_id, states.c.scan, findings).join(states, states.c.id == findings.c.state_id)
# What a run itself found, at the moment in question, did not come after it: that is most of what there is.
_MOVED = select(
    findings.c.state_id,
    findings.c.fact_id,
    findings.c.first_run_id,
    findings.c.first_at,
    findings.c.gone_run_id,
    findings.c.gone_at,
).where(
    or_(
        and_(findings.c.first_at >= bindparam("begin"), findings.c.first_run_id != bindparam("run")),
        findings.c.gone_at >= bindparam("begin"),
    )
)
# Facts up to which each is looked up in every state; of more, all that a state has is read through: the sum keeps
# planners from trying every pair.
_FEW_FACTS = 20
_ANY_FACT = findings.c.fact_id + 0
_OF_STATE = findings.c.state_id == bindparam("of_state")
_FORGET = delete(findings).where(_OF_STATE, findings.c.first_at >= bindparam("at"))
_REOPEN = (
    update(findings)
    .where(_OF_STATE, findings.c.gone_at > bindparam("at"))
    .values(last_run_id=None, last_at=0, gone_run_id=None, gone_at=0)
)
_DELETE = delete(findings).where(*(findings.c[name] == bindparam(f"of_{name}") for name in _KEY))


class History:
    """Spans by the ids of their states, those of runs too that are not whole yet.

    Attributes:
        opened: findings that came.
        closed: findings that went.
    """

    def __init__(self, connection: Connection, names: Mapping[int, str] | None = None) -> None:
        """Read what runs there are.

        Args:
            connection: to read and write by.
            names: ids of the runs by their numbers, where they are known. One that is missing, because owners may not
                see a run of which nothing but its findings is kept, has an empty id: when it was is known all the same.
        """
        self._connection = connection
        found = names or {row.id: row.run for row in connection.execute(select(runs.c.id, runs.c.run))}
        self._runs = defaultdict(str, found)
        self._ids = {name: id_ for id_, name in self._runs.items()}
        self._open: dict[int, list[Span]] = {}
        self.opened = self.closed = 0

    def place(self, at: int, run_id: int) -> Position:
        """The place of a run's cell."""
        return Position(at, self._runs[run_id])

    def look_ahead(self, wanted: Sequence[int]) -> None:
        """Read what is open of these states, all at once, within a transaction."""
        self._open = {}
        if wanted:
            of_states = among(self._connection, findings.c.state_id, wanted)
            for state, span in self._spans(of_states, findings.c.gone_at == 0):
                self._open.setdefault(state, []).append(span)

    def open_spans(self, state: int) -> list[Span]:
        """What was open of a state when we looked ahead."""
        return self._open.pop(state, [])

    def all_spans(self, state: int) -> list[Span]:
        """Every span of a state."""
        return [span for _, span in self._spans(findings.c.state_id == state)]

    def spans(self, wanted: Sequence[int], facts: Collection[int] | None = None) -> list[tuple[int, Span]]:
        """Every span of these states; with `facts`, only theirs."""
        some: list[tuple[Any, Collection[int]] | None] = [None]
        if facts is not None:
            fact = findings.c.fact_id if len(facts) <= _FEW_FACTS else _ANY_FACT
            some = [(fact, few) for few in batches(facts)]
        return [
            (row[0], self.span(row))
            for each in some
            for row in rows_by(self._connection, findings.c.state_id, wanted, _FINDINGS, also=each)
        ]

    def spans_with(self, facts: Collection[int]) -> list[tuple[int, int, str, Span]]:
        """Every span of these facts, each with its state, and the target and scan of that."""
        rows = rows_by(self._connection, findings.c.fact_id, sorted(facts), _OF_FACTS)
        return [(row[0], target, scan, self.span(row)) for target, scan, *row in rows]

    def spans_of(self, wanted: Iterable[tuple[int, int]]) -> list[tuple[int, Span]]:
        """Every span of these facts of states, each of the facts of its own state alone."""
        columns = (findings.c.state_id, findings.c.fact_id)
        return [(row[0], self.span(row)) for row in rows_by_pairs(self._connection, columns, wanted, _FINDINGS)]

    def moved(self, since: Mapping[int, Position]) -> list[tuple[int, int]]:
        """The states and facts of spans that began, or were gone, after a place of each state."""
        by_run: dict[str, list[int]] = {}
        for state, place in since.items():
            by_run.setdefault(place.run, []).append(state)
        moved: list[tuple[int, int]] = []
        for run, of_run in by_run.items():
            begin = max(1, min(since[state].at for state in of_run))
            rows = rows_by(self._connection, findings.c.state_id, of_run, _MOVED, begin=begin, run=self._ids[run])
            for state, fact, first_run, first_at, gone_run, gone_at in rows:
                place, came = since[state], (first_at, self._runs[first_run])
                if came > place or (gone_run and (gone_at, self._runs[gone_run]) > place):
                    moved.append((state, fact))
        return moved

    def _spans(self, *conditions: Any) -> list[tuple[int, Span]]:
        rows = rows_by(self._connection, findings.c.state_id, None, select(findings).where(*conditions))
        return [(row.state_id, self.span(row)) for row in rows]

    def span(self, row: Row[*tuple[Any, ...]] | Sequence[Any]) -> Span:
        """A row of `findings`: its columns, as `_COLUMNS` has them."""
        _, fact, first_run, first_at, last_run, last_at, gone_run, gone_at, seen = row
        first = Position(first_at, self._runs[first_run])
        if not gone_run:
            return Span(fact, first, None, None, seen)
        last, gone = Position(last_at, self._runs[last_run]), Position(gone_at, self._runs[gone_run])
        return Span(fact, first, last, gone, seen)

    def forget_after(self, ends: Iterable[tuple[int, Position]]) -> None:
        """Let what is known of states end before a place of each, within a transaction: what follows is new."""
        rows = [{"of_state": state, "at": here.at} for state, here in ends]
        if rows:
            self._connection.execute(_FORGET, rows)
            self._connection.execute(_REOPEN, rows)

    def begin(self, new: Iterable[tuple[int, Mapping[int, int], Position]]) -> None:
        """Write what was found first of states of which nothing is open, within a transaction.

        Args:
            new: of each state the facts, since when each is known, and the place of the cell that found them.
        """
        rows = [
            (state, fact, self._ids[here.run], here.at, None, 0, None, 0, facts[fact])
            for state, facts, here in new
            for fact in sorted(facts)
        ]
        self.opened += len(rows)
        insert_numbers(self._connection, findings, rows)

    def apply(self, changes: Iterable[tuple[int, Reweaving]]) -> None:
        """Write what changed of states, within a transaction."""
        lost: list[tuple[int | None, ...]] = []
        kept: list[tuple[int | None, ...]] = []
        new: list[tuple[int | None, ...]] = []
        for state, change in changes:
            out = {(span.fact, span.first): span for span in change.out}
            into = {(span.fact, span.first): span for span in change.into}
            lost += [self._row(state, span) for key, span in out.items() if key not in into]
            for key, span in into.items():
                (kept if key in out else new).append(self._row(state, span))
                self.closed += key in out and span.gone is not None
        self.opened += len(new)
        if lost:
            keys = ("of_state_id", "of_fact_id", "of_first_run_id")
            self._connection.execute(_DELETE, [dict(zip(keys, row, strict=False)) for row in lost])
        upsert(self._connection, findings, _KEY, [dict(zip(_COLUMNS, row, strict=True)) for row in kept])
        insert_numbers(self._connection, findings, new)

    def _row(self, state: int, span: Span) -> tuple[int | None, ...]:
        """As `_COLUMNS` has them."""
        _, (first_at, first), last, gone, seen = span
        return (
            state,
            span.fact,
            self._ids[first],
            first_at,
            self._ids[last.run] if last else None,
            last.at if last else 0,
            self._ids[gone.run] if gone else None,
            gone.at if gone else 0,
            seen,
        )
