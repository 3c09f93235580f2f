"""Writing down what should be kept fresh, and forgetting what no source names any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import delete, exists, select, update

from orchestrator.model import Outcome
from orchestrator.store.backlog.tables import NEVER, wanted, wanted_targets
from orchestrator.store.catalogue import write_states, write_targets
from orchestrator.store.columns import clip
from orchestrator.store.dialects import among, batches, insert_new, upsert
from orchestrator.store.schema import states

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from orchestrator.store.backlog.messages import Wanted


def want(connection: Connection, rows: Sequence[Wanted], look: int, now: int, *, whole: bool = True) -> int:
    """Have these targets wanted from now on.

    Args:
        connection: of the only writer, outside of a transaction.
        rows: no target twice.
        look: number of the look at the sources that found them.
        now: seconds since 1970.
        whole: whether these entries are all that name each target; otherwise they come to those that are known.

    Returns:
        Number of cells that were not wanted before, all of them not due until that is reckoned.
    """
    new = 0
    for some in batches(rows):
        described = {row.target: row for row in some}
        ids = write_targets(connection, described, {row.target: row.names for row in some}, now, whole=whole)
        pairs = [(ids[row.target], scan) for row in some for scan in row.scans]
        write_states(connection, pairs)
        with connection.begin():
            _begin_again(connection, [ids[row.target] for row in some if not all(name.skip for name in row.names)])
            known = {} if whole else _entries(connection, list(ids.values()))
            of_targets = [_of_target(ids[row.target], row, known) for row in some]
            upsert(connection, wanted_targets, ("target_id",), of_targets)
            new += _want_cells(connection, pairs, look)
    return new


class _Asked(msgspec.Struct):
    """Of an entry, who asked that it be left out."""

    skip: str = ""


def _begin_again(connection: Connection, ids: list[int]) -> None:
    """Of targets that are wanted after all, take what was left out as never tried: nobody asks for that any more.

    Args:
        connection: within a transaction, before the entries are written.
        ids: of targets that somebody wants scanned.
    """
    asked = select(wanted_targets.c.target_id, wanted_targets.c.entries).where(
        among(connection, wanted_targets.c.target_id, ids), wanted_targets.c.entries.contains('"skip":')
    )
    left_out = [row.target_id for row in connection.execute(asked) if _is_left_out(row.entries)]
    for some in batches(left_out):
        skipped = (states.c.ok_at == 0, states.c.outcome == Outcome.SKIPPED.value)
        change = update(states).where(among(connection, states.c.target_id, some), *skipped)
        connection.execute(change.values(last_at=0, last_run_id=None, outcome="", reason=""))


def _is_left_out(entries: str) -> bool:
    try:
        return all(entry.skip for entry in msgspec.json.decode(entries, type=list[_Asked]))
    except msgspec.DecodeError:
        return False


def _want_cells(connection: Connection, pairs: Sequence[tuple[int, str]], look: int) -> int:
    asked = set(pairs)
    found = select(states.c.id, states.c.target_id, states.c.scan).where(
        among(connection, states.c.target_id, list({target for target, _ in pairs}))
    )
    cells = {row.id: row.target_id for row in connection.execute(found) if (row.target_id, row.scan) in asked}
    new = 0
    for some in batches(cells):
        known = set(
            connection.scalars(select(wanted.c.state_id).where(among(connection, wanted.c.state_id, some))).all()
        )
        fresh = {"look": look, "due_at": NEVER, "submission_id": 0, "refusals": 0, "tried_at": 0, "refusal": ""}
        rows = [{"state_id": id_, "target_id": cells[id_], **fresh} for id_ in some if id_ not in known]
        insert_new(connection, wanted, rows)
        new += len(rows)
        if known:
            connection.execute(
                update(wanted).where(among(connection, wanted.c.state_id, list(known))).values(look=look)
            )
    return new


def forget(connection: Connection, look: int) -> int:
    """Want no longer what the last whole look at the sources has not named, unless a run has it in hand.

    Args:
        connection: of the only writer, outside of a transaction.
        look: number of that look.

    Returns:
        Number of cells.
    """
    with connection.begin():
        gone = connection.execute(delete(wanted).where(wanted.c.look < look, wanted.c.submission_id == 0)).rowcount
        still = exists().where(wanted.c.target_id == wanted_targets.c.target_id)
        connection.execute(delete(wanted_targets).where(~still))
        # Nothing is known of what was never tried.
        wanted_state = exists().where(wanted.c.state_id == states.c.id)
        untried = (states.c.last_at == 0, states.c.outcome == "", states.c.last_run_id.is_(None))
        connection.execute(delete(states).where(*untried, ~wanted_state))
    return gone


def _of_target(id_: int, row: Wanted, known: Mapping[int, tuple[str, str]]) -> dict[str, object]:
    owner, entries = known.get(id_, ("", "[]"))
    first = min(filter(None, (owner, _owner(row))), default="")
    return {"target_id": id_, "owner": first, "entries": _together(entries, row.entries)}


def _entries(connection: Connection, ids: list[int]) -> dict[int, tuple[str, str]]:
    """Owner and entries of targets that are wanted already."""
    found = select(wanted_targets).where(among(connection, wanted_targets.c.target_id, ids))
    return {row.target_id: (row.owner, row.entries) for row in connection.execute(found)}


def _together(known: str, new: str) -> str:
    """The entries of two JSON lists, each once; where one is none (the store is older, or damaged), the new ones."""
    try:
        lists = [msgspec.json.decode(text, type=list[msgspec.Raw]) for text in (known, new)]
    except msgspec.DecodeError:
        return new
    entries = dict.fromkeys(bytes(entry) for each in lists for entry in each)
    return f"[{b','.join(entries).decode()}]"


def _owner(row: Wanted) -> str:
    """Whose turn it takes: the first owner of its names."""
    return clip(min((name.owner for name in row.names if name.owner), default=""), 200)
