"""Writing events, in the transaction of what they tell."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, update

from orchestrator.store.columns import clip
from orchestrator.store.dialects import insert, insert_new, rows_by
from orchestrator.store.events.messages import EventKind
from orchestrator.store.events.tables import event_counter, events
from orchestrator.store.schema import names, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

#: How a cell ended that its run no longer has.
GONE = "gone"
_TARGETS = select(targets.c.id, targets.c.target, targets.c.reference)
_OWNERS = select(names.c.target_id, names.c.owner, names.c.reference).where(names.c.owner != "").order_by(names.c.id)
# Owners of one event: a target has some, nobody means to have thousands.
_MOST_OWNERS = 200
# Where a connection has the recorder of `all_at_once`.
_OUTER = "scanmatrix-recorder"


class Recorder:
    """Collects what a transaction changes, and writes it at its end: see `recording`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cells: dict[tuple[str, int], dict[str, str]] = {}
        self._ready: list[dict[str, Any]] = []

    def cell(self, run: str, target: int, scan: str, outcome: str) -> None:
        """A cell of a run ended, or is gone; all cells of a target are one event.

        Args:
            run: its id.
            target: number of the target.
            scan: its name.
            outcome: or `GONE`.
        """
        self._cells.setdefault((run, target), {})[scan] = outcome

    def run(self, run: str) -> None:
        """A run was imported."""
        self._add(EventKind.RUN, run=run)

    def deleted(self, wanted: Iterable[int]) -> None:
        """Results of targets go, by their numbers; while the targets are still there."""
        for found in self._described(wanted).values():
            self._add(EventKind.DELETED, **found)

    def store(self, about: str) -> None:
        """Something changed that is of no one target."""
        self._add(EventKind.STORE, about=about)

    def write(self) -> None:
        """Write all of it down; nothing may be locked after that, and the transaction should end."""
        described = self._described({target for _, target in self._cells})
        for (run, target), scans in self._cells.items():
            if target in described:
                self._add(EventKind.CELLS, run=run, scans=scans, **described[target])
        if not self._ready:
            return
        begin = _next_number(self._connection, len(self._ready))
        insert(self._connection, events, [{"id": begin + place, **row} for place, row in enumerate(self._ready)])
        self._ready, self._cells = [], {}

    def _add(self, kind: EventKind, *, target: str = "", reference: str = "", run: str = "", **told: Any) -> None:
        self._ready.append({
            "at": int(time.time()),
            "kind": kind.value,
            "target": target,
            "reference": reference,
            "run": clip(run, 128),
            "told": msgspec.json.encode({name: value for name, value in told.items() if value}).decode(),
        })  # fmt: skip

    def _described(self, wanted: Iterable[int]) -> dict[int, dict[str, Any]]:
        """What events say of targets, by their numbers."""
        ids = list(wanted)
        owners: dict[int, dict[str, str]] = {}
        for row in rows_by(self._connection, names.c.target_id, ids, _OWNERS):
            called = owners.setdefault(row.target_id, {})
            if row.owner in called or len(called) < _MOST_OWNERS:
                # The same that `orchestrator.store.scope` shows them.
                called[row.owner] = min(row.reference, called.get(row.owner, row.reference))
        return {
            row.id: {
                "target": row.target,
                "reference": row.reference,
                "owners": list(called := owners.get(row.id, {})),
                "called": {owner: name for owner, name in called.items() if name != row.reference},
            }
            for row in rows_by(self._connection, targets.c.id, ids, _TARGETS)
        }


@contextmanager
def recording(connection: Connection) -> Iterator[Recorder]:
    """A transaction, and what it changes for those who follow it.

    Events are written last of all: the row that numbers them is locked until the transaction ends, so it is for as
    short as possible, and since nothing is locked after it, writers wait for each other in one direction only.
    """
    if (outer := connection.info.get(_OUTER)) is not None:
        yield outer
        return
    with connection.begin():
        recorder = Recorder(connection)
        yield recorder
        recorder.write()


@contextmanager
def all_at_once(connection: Connection) -> Iterator[None]:
    """One transaction for a whole block: those of `recording` and `writing` within are parts of it."""
    with recording(connection) as recorder:
        connection.info[_OUTER] = recorder
        try:
            yield
        finally:
            del connection.info[_OUTER]


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """A transaction for what nobody follows, or a part of that of `all_at_once`."""
    with nullcontext() if _OUTER in connection.info else connection.begin():
        yield


def _next_number(connection: Connection, count: int) -> int:
    """The first of as many numbers, which nobody else has, and nobody gets before this transaction has ended."""
    take = update(event_counter).where(event_counter.c.id == 1).values(last=event_counter.c.last + count)
    if not connection.execute(take).rowcount:
        insert_new(connection, event_counter, [{"id": 1, "epoch": secrets.token_hex(6), "last": 0, "first": 1}])
        connection.execute(take)
    return int(connection.scalar(select(event_counter.c.last)) or 0) - count + 1
