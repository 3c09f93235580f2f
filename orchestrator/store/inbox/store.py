"""The store as the receiver of events and its worker use it.

Nothing here rests on a process living on: who works on a row has it until a lease runs out, and any replica then takes
it over. What changes for sinks is written in the same transaction as what they are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, delete, func, not_, or_, select, update

from orchestrator.receiving.messages import Push, Unwanted, digest_of
from orchestrator.store.brief import lapsed
from orchestrator.store.columns import clip
from orchestrator.store.connection import bearing_damage
from orchestrator.store.dialects import insert_new
from orchestrator.store.inbox.messages import (
    Acceptance,
    AcceptedEvent,
    Ending,
    FullInboxError,
    InboxClaim,
    InboxCounts,
    InboxEntry,
    InboxOutcome,
    InboxState,
)
from orchestrator.store.inbox.outgoing import OutgoingStore
from orchestrator.store.inbox.tables import inbox, outgoing_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Row

    from orchestrator.store.inbox.messages import OutgoingEvent

# Times the pause between two pushes of which only the later counts: however often it is pushed, it is scanned then.
_LONGEST_SETTLING = 12
_LOOKED_AT = 200
# Seconds after which two that were planned at once try again: the earlier first, so that one of them is.
_EARLIER_WAIT, _LATER_WAIT = 2, 6
_ACTIVE = (InboxState.WAITING, InboxState.RUNNING)
_HAD = or_(inbox.c.state == InboxState.RUNNING, inbox.c.outcome == InboxOutcome.SCANNED)


class InboxStore(OutgoingStore):
    """A store with the tables of events from outside."""

    def accept(self, events: Sequence[AcceptedEvent], *, settle: int, most: int) -> Acceptance:
        """Accept events, each once; when this returns they are kept, whatever happens to this machine.

        A push takes the place of those to the same tag, for the same scans, that still wait.

        Args:
            events: of one request.
            settle: seconds until the first of them is due.
            most: events that may wait.

        Raises:
            FullInboxError: more wait already; none of these is accepted.
        """

        def write(connection: Connection) -> Acceptance:
            now = self._clock(connection)
            if self._waits_more_than(connection, most):
                raise FullInboxError(f"{most:,} events wait to be worked on; send this one again later")
            new, superseded = set(), 0
            for event in events:
                known = select(inbox.c.id).where(inbox.c.event_key == event.key)
                if event.key in new or connection.scalar(known) is not None:
                    continue
                since, gone = self._supersede(connection, event, now)
                due = min(now + settle, since + settle * _LONGEST_SETTLING)
                insert_new(connection, inbox, [_row(event, now, since, due)])
                new.add(event.key)
                superseded += gone
            return Acceptance(frozenset(new), superseded)

        return self._transact(write, lasting=True)

    @staticmethod
    def _waits_more_than(connection: Connection, most: int) -> bool:
        waiting = select(inbox.c.id).where(inbox.c.state == InboxState.WAITING)
        return connection.scalar(waiting.order_by(inbox.c.due_at).offset(most - 1).limit(1)) is not None

    @staticmethod
    def _supersede(connection: Connection, event: AcceptedEvent, now: int) -> tuple[int, int]:
        """Since when a push to the same tag waits, and how many do no longer."""
        if event.push is None or not event.push.tag:
            return now, 0
        # One that somebody is just making a plan of is past that; and another replica may just have accepted this one.
        is_other = and_(inbox.c.about == _about(event), inbox.c.event_key != event.key)
        waits = and_(is_other, inbox.c.state == InboxState.WAITING, inbox.c.until == 0)
        since = connection.scalar(select(func.min(inbox.c.since)).where(waits))
        if since is None:
            return now, 0
        done = {"state": InboxState.DONE, "outcome": Unwanted.SUPERSEDED, "reason": "a later push to the same tag"}
        return int(since), connection.execute(update(inbox).where(waits).values(done)).rowcount

    def take(self, holder: str, at_once: Mapping[str, int], *, lease: int, most: int = 20) -> list[InboxEntry]:
        """Begin work on what is due, and on what nobody works on any more.

        Args:
            holder: who does.
            at_once: by rule, and for `JOBS`, how many each sender may have under way by it; others have one.
            lease: seconds until somebody else may take them over.
            most: entries.

        Returns:
            Those that are damaged as well, with the reason.
        """

        def is_due(now: int) -> ColumnElement[bool]:
            return and_(inbox.c.due_at <= now, lapsed(inbox.c.until, now, lease))

        def begin(connection: Connection) -> list[InboxEntry]:
            now = self._clock(connection)
            left = (
                select(inbox).where(inbox.c.state == InboxState.RUNNING, is_due(now)).order_by(inbox.c.id).limit(most)
            )
            busy = self._under_way(connection, now)
            # Those that may begin nothing now must not stand in front of others, however many they are.
            full = [place for place, count in busy.items() if count >= at_once.get(place[0], 1)]
            elsewhere = (not_(and_(inbox.c.rule == rule, inbox.c.sender == sender)) for rule, sender in full)
            due = (
                select(inbox)
                .where(inbox.c.state == InboxState.WAITING, is_due(now), *elsewhere)
                .order_by(inbox.c.due_at, inbox.c.id)
                .limit(_LOOKED_AT)
            )
            taken: list[InboxEntry] = []
            with bearing_damage(connection):
                found = [*connection.execute(left), *connection.execute(due)]
            for row in found:
                place = (row.rule, row.sender)
                is_new = row.state == InboxState.WAITING
                if len(taken) >= most or (is_new and busy.get(place, 0) >= at_once.get(row.rule, 1)):
                    continue
                same = (inbox.c.id == row.id, inbox.c.state == row.state, inbox.c.until == row.until)
                change = update(inbox).where(*same).values(holder=holder, until=now + lease)
                if connection.execute(change).rowcount:
                    busy[place] = busy.get(place, 0) + is_new
                    taken.append(_entry(row))
            return taken

        some = self._finds(lambda now: select(inbox.c.id).where(inbox.c.state.in_(_ACTIVE), is_due(now)))
        return self._transact(begin) if some else []

    @staticmethod
    def _under_way(connection: Connection, now: int) -> dict[tuple[str, str], int]:
        """By rule and sender, the runs under way, and those that are just being planned."""
        active = or_(
            inbox.c.state == InboxState.RUNNING, and_(inbox.c.state == InboxState.WAITING, inbox.c.until >= now)
        )
        query = select(inbox.c.rule, inbox.c.sender, func.count()).where(active).group_by(inbox.c.rule, inbox.c.sender)
        return {(rule, sender): count for rule, sender, count in connection.execute(query)}

    def renew(self, holder: str, *, lease: int) -> None:
        """Keep what one works on; without a lease, let others have it."""
        mine = (inbox.c.holder == holder, inbox.c.state.in_(_ACTIVE))

        def extend(connection: Connection) -> None:
            until = self._clock(connection) + lease if lease else 0
            connection.execute(update(inbox).where(*mine).values(until=until))

        if self._finds(lambda _: select(inbox.c.id).where(*mine)):
            self._transact(extend)

    def claim(self, entry: InboxEntry, pushed: str, *, within: int) -> InboxClaim:
        """Say what an event turned out to be about; whether no other one has had, or is having, just that scanned.

        It is written down before others are looked at: of two that claim the same at the same moment, at least one sees
        the other, and gives way until it is known whether a run came of it. A tag that went back to an earlier image
        is scanned again, so that its last results are of what it means.

        Args:
            entry: the event now.
            pushed: stands for a name, the digests of what was found there, and the scans.
            within: seconds; what was received before them does not count.
        """
        mine = update(inbox).where(inbox.c.id == entry.id)
        self._transact(lambda connection: connection.execute(mine.values(pushed=pushed)))

        def look(connection: Connection) -> InboxClaim:
            now = self._clock(connection)
            same = (inbox.c.pushed == pushed, inbox.c.at >= now - within, inbox.c.id != entry.id)
            since = self._last_of_tag(connection, entry, pushed)
            had = select(inbox.c.id).where(*same, _HAD, inbox.c.id > since)
            if connection.scalar(had.limit(1)) is not None:
                return InboxClaim(is_free=False)
            planned = select(func.min(inbox.c.id)).where(
                *same, inbox.c.state == InboxState.WAITING, inbox.c.until >= now
            )
            if (first := connection.scalar(planned)) is None:
                return InboxClaim(is_free=True)
            connection.execute(mine.values(pushed=""))
            return InboxClaim(is_free=False, wait=_LATER_WAIT if first < entry.id else _EARLIER_WAIT)

        return self._transact(look)

    @staticmethod
    def _last_of_tag(connection: Connection, entry: InboxEntry, pushed: str) -> int:
        """The last event by which something else under the same tag was scanned; 0 for none."""
        if entry.event.push is None or not entry.event.push.tag:
            return 0
        others = (inbox.c.about == _about(entry.event), inbox.c.pushed != pushed, inbox.c.id != entry.id)
        return int(connection.scalar(select(func.max(inbox.c.id)).where(*others, _HAD)) or 0)

    def start(self, entry: InboxEntry, run: str, told: Sequence[OutgoingEvent]) -> None:
        """Its run is under way."""
        self._change(entry, {"state": InboxState.RUNNING, "run": run, "attempts": 0}, told)

    def end(self, entry: InboxEntry, ending: Ending, told: Sequence[OutgoingEvent] = ()) -> None:
        """Work on it has ended: for good, or until it is tried again."""
        if ending.outcome is not None:
            values = {"state": InboxState.DONE, "outcome": ending.outcome, "reason": clip(ending.reason), "until": 0}
            self._change(entry, values, told)
            return

        def later(connection: Connection) -> None:
            values = {
                "due_at": self._clock(connection) + ending.wait,
                "attempts": inbox.c.attempts + int(ending.counts),
                "reason": clip(ending.reason),
                "until": 0,
            }
            connection.execute(update(inbox).where(inbox.c.id == entry.id).values(values))

        self._transact(later)

    def _change(self, entry: InboxEntry, values: dict[str, Any], told: Sequence[OutgoingEvent]) -> None:
        def write(connection: Connection) -> None:
            # Somebody who took it over meanwhile, and ended it, has notified sinks, too.
            still = (inbox.c.id == entry.id, inbox.c.state != InboxState.DONE)
            if connection.execute(update(inbox).where(*still).values(values)).rowcount:
                self._add(connection, told)

        self._transact(write)

    def forget_old(self, seconds: int) -> int:
        """Forget events that are done with and older than this; returns how many."""

        def forget(connection: Connection) -> int:
            old = (inbox.c.state == InboxState.DONE, inbox.c.at < self._clock(connection) - seconds)
            return connection.execute(delete(inbox).where(*old)).rowcount

        return self._transact(forget)

    def counts(self) -> InboxCounts:
        """How it stands."""
        query = select(inbox.c.state, func.count(), func.min(inbox.c.since)).where(inbox.c.state.in_(_ACTIVE))
        with self._reading() as connection:
            rows = connection.execute(query.group_by(inbox.c.state))
            found = {state: (count, oldest) for state, count, oldest in rows}
            unsent = connection.scalar(select(func.count()).select_from(outgoing_events))
        waiting, oldest = found.get(InboxState.WAITING, (0, 0))
        return InboxCounts(waiting, found.get(InboxState.RUNNING, (0, 0))[0], int(oldest or 0), int(unsent or 0))


def _about(event: AcceptedEvent) -> str:
    if event.push is None:
        return event.key
    return digest_of(event.push.kind, event.push.name, event.push.tag, *event.scans)


def _row(event: AcceptedEvent, now: int, since: int, due: int) -> dict[str, Any]:
    return {
        "event_key": event.key,
        "source": clip(event.source, 512),
        "event": clip(event.event, 512),
        "sender": event.sender,
        "rule": event.rule,
        "push": msgspec.json.encode(event.push).decode() if event.push else "",
        "scans": msgspec.json.encode(event.scans).decode(),
        "whole": event.whole or None,
        "about": _about(event),
        "at": now,
        "since": since,
        "due_at": due,
        "state": InboxState.WAITING,
    }


def _entry(row: Row[Any]) -> InboxEntry:
    """A row as it is worked on; one that is damaged as well, so that it is ended and the others are worked on."""
    push, scans, damage = None, tuple[str, ...](), ""
    try:
        for text in row:
            if isinstance(text, str):
                text.encode()
        push = msgspec.json.decode(row.push, type=Push) if row.push else None
        scans = msgspec.json.decode(row.scans, type=tuple[str, ...])
    except (msgspec.DecodeError, UnicodeError) as error:
        damage = f"what the inbox keeps of this event is damaged: {error}"
    key, source, event, sender, rule, run, whole = map(
        _legible, (row.event_key, row.source, row.event, row.sender, row.rule, row.run, row.whole or "")
    )
    return InboxEntry(
        row.id, AcceptedEvent(key, source, event, sender, rule, push, scans, whole), run, row.attempts, damage
    )


def _legible(text: str) -> str:
    """A text that can be shown, whatever of it is damaged."""
    return text.encode(errors="replace").decode()
