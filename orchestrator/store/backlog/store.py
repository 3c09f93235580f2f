"""The store as the scheduler uses it: what should be kept fresh, which of it is due, and the runs in flight.

Nothing here rests on a process living on. A run in flight is a row; it keeps its place until its results are in the
store, and any process that finds the lease expired takes it over. So there are never more runs in flight than
allowed, whatever becomes of those that started them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, or_, select, update

from orchestrator.store.backlog import picking, reckoning, view, wanting
from orchestrator.store.backlog.messages import PLANNING, Backlog, BacklogChange, Submission
from orchestrator.store.backlog.tables import chores, submissions, wanted
from orchestrator.store.brief import BriefStore, lapsed
from orchestrator.store.columns import clip
from orchestrator.store.dialects import among, batches, insert_new
from orchestrator.store.schema import cells, runs, targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from orchestrator.store.backlog.messages import StaleRules, Wanted

_NOT_PLANNED = "it was no longer part of the plan; the next look at the sources tells what became of it"


class BacklogStore(BriefStore):
    """A store with the scheduler's tables.

    Every method raises `StoreGoneError` when the database does not answer; whatever it was about to do is then done
    whole or not at all, and can be done again.
    """

    def want(self, rows: Sequence[Wanted], rules: StaleRules, *, look: int, whole: bool = False) -> BacklogChange:
        """Have targets kept fresh.

        Args:
            rows: no target twice.
            rules: what makes a result stale.
            look: number of the look at the sources that found them.
            whole: whether these are all there are; what else is wanted from an earlier look is then forgotten.
        """

        def write(connection: Connection) -> BacklogChange:
            with connection.begin():
                now = self._clock(connection)
            new = wanting.want(connection, rows, look, now, whole=whole)
            gone = wanting.forget(connection, look) if whole else 0
            with connection.begin():
                if whole:
                    reckoning.learn(connection, now)
                    reckoning.reckon(connection, rules, now)
                for some in [] if whole else batches([row.target for row in rows]):
                    ids = select(targets.c.id).where(among(connection, targets.c.target, some))
                    reckoning.reckon(connection, rules, now, wanted.c.target_id.in_(ids))
            return BacklogChange(new=new, gone=gone)

        return self._write(write)

    def take(self, run: str, holder: str, *, most: int, most_cells: int, lease: int) -> Submission | None:
        """Begin a run of due cells, when there are any and there is room for a run.

        Args:
            run: id of the run to be.
            holder: who will look after it.
            most: runs in flight at the same time.
            most_cells: of the run.
            lease: seconds until somebody else may take it over.

        Returns:
            What to run; None when nothing is due, or no room is left.
        """

        def begin(connection: Connection) -> Submission | None:
            now = self._clock(connection)
            taken = set(connection.scalars(select(submissions.c.slot)))
            free = next((slot for slot in range(most) if slot not in taken), None)
            if free is None or len(taken) >= most:
                return None
            chosen = picking.pick(connection, most_cells, now)
            if not chosen:
                return None
            row = {"run": run, "slot": free, "holder": holder, "until": now + lease, "stage": PLANNING}
            insert_new(connection, submissions, [{**row, "attempts": 0, "trouble": "", "began_at": now}])
            mine = connection.scalar(select(submissions.c.id).where(submissions.c.run == run))
            if mine is None:  # another replica took the place at the same moment
                return None
            if not picking.claim(connection, mine, chosen, now):
                connection.execute(delete(submissions).where(submissions.c.id == mine))
                return None
            return Submission(id=mine, run=run, attempts=0, claims=picking.claims(connection, mine))

        return self._transact(begin)

    def adopt(self, holder: str, *, lease: int) -> Submission | None:
        """Take over a run that nobody looks after any more; None when there is none."""

        def take_over(connection: Connection) -> Submission | None:
            now = self._clock(connection)
            ended = lapsed(submissions.c.until, now, lease)
            for row in connection.execute(select(submissions).where(ended).order_by(submissions.c.id)).all():
                same = (submissions.c.id == row.id, submissions.c.until == row.until)
                change = update(submissions).where(*same).values(holder=holder, until=now + lease)
                if connection.execute(change).rowcount:
                    return Submission(
                        id=row.id, run=row.run, attempts=row.attempts, claims=picking.claims(connection, row.id)
                    )
            return None

        return self._transact(take_over)

    def renew(self, holder: str, chore: str, *, lease: int) -> None:
        """Keep looking after one's runs and, when it is one's own, a chore; without a lease, let others have them."""

        def extend(connection: Connection) -> None:
            until = self._clock(connection) + lease if lease else 0
            connection.execute(update(submissions).where(submissions.c.holder == holder).values(until=until))
            mine = (chores.c.holder == holder, chores.c.name == chore)
            connection.execute(update(chores).where(*mine).values(until=until, holder=holder if lease else ""))

        self._transact(extend)

    def note(self, submission: Submission, stage: str, *, trouble: str = "", attempts: int = 0) -> None:
        """Write down how far a run is, for people, and how often it was tried in vain."""
        values = {"stage": stage, "trouble": clip(trouble), "attempts": attempts}
        self._transact(
            lambda connection: connection.execute(
                update(submissions).where(submissions.c.id == submission.id).values(values)
            )
        )

    def settle(self, submission: Submission, rules: StaleRules) -> None:
        """End a run whose results are in the store; once more does nothing."""

        def end(connection: Connection) -> None:
            now = self._clock(connection)
            mine = wanted.c.submission_id == submission.id
            of_run = (
                select(cells.c.state_id).join(runs, runs.c.id == cells.c.run_id).where(runs.c.run == submission.run)
            )
            claimed = picking.claimed(connection, submission.id)
            done = {"refusals": 0, "refusal": "", "tried_at": now, "submission_id": 0}
            connection.execute(update(wanted).where(mine, wanted.c.state_id.in_(of_run)).values(done))
            self._release(connection, submission, _NOT_PLANNED, now)
            every = reckoning.learn(connection, now)
            reckoning.reckon(connection, rules, now, *([] if every else [wanted.c.state_id.in_(claimed)]))

        self._transact(end)

    def refuse(self, submission: Submission, reason: str, rules: StaleRules) -> None:
        """End a run that could not be run; each of its targets is tried again after a while, by itself."""

        def end(connection: Connection) -> None:
            now = self._clock(connection)
            claimed = picking.claimed(connection, submission.id)
            self._release(connection, submission, reason, now)
            reckoning.reckon(connection, rules, now, wanted.c.state_id.in_(claimed))

        self._transact(end)

    @staticmethod
    def _release(connection: Connection, submission: Submission, reason: str, now: int) -> None:
        refused = {
            "refusals": wanted.c.refusals + 1,
            "refusal": clip(reason),
            "tried_at": now,
            "submission_id": 0,
        }
        connection.execute(update(wanted).where(wanted.c.submission_id == submission.id).values(refused))
        connection.execute(delete(submissions).where(submissions.c.id == submission.id))

    def begin_chore(self, name: str, holder: str, *, lease: int, again: bool = False) -> int:
        """Take on what one replica does for all, unless it is somebody's until later.

        Args:
            name: of the chore.
            holder: who takes it on.
            lease: seconds until somebody else may.
            again: whether its holder itself may, too.

        Returns:
            Its number, which grows with each begin; 0 when it is not available.
        """

        def begin(connection: Connection) -> int:
            now = self._clock(connection)
            insert_new(connection, chores, [{"name": name, "holder": "", "until": 0, "number": 0}])
            free = lapsed(chores.c.until, now, lease)
            free = or_(free, chores.c.holder == holder) if again else free
            change = {"holder": holder, "until": now + lease, "number": chores.c.number + 1}
            if not connection.execute(update(chores).where(chores.c.name == name, free).values(change)).rowcount:
                return 0
            return int(connection.scalar(select(chores.c.number).where(chores.c.name == name)) or 0)

        return self._transact(begin)

    def chore_number(self, name: str) -> int:
        """Number of its last begin; 0 when it never was."""
        number = select(chores.c.number).where(chores.c.name == name)
        return self._transact(lambda connection: int(connection.scalar(number) or 0))

    def backlog(self, *, held: int = 10) -> Backlog:
        """How fresh everything is.

        Args:
            held: most of the failed cells to tell.
        """
        return self._transact(lambda connection: view.view(connection, self._clock(connection), held))

    def is_idle(self) -> bool:
        """Whether nothing is due, and no run is in flight."""

        def look(connection: Connection) -> bool:
            due = select(func.count()).where(wanted.c.submission_id == 0, wanted.c.due_at <= self._clock(connection))
            return not connection.scalar(due) and not connection.scalar(select(func.count(submissions.c.id)))

        return self._transact(look)
