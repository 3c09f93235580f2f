"""What cells refer to, written before them in batches of its own: runs, targets and their names, states.

None of it says that a cell was imported, so it does no harm when the rest of the run never follows.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from sqlalchemy import delete, select

from orchestrator.kit.ids import folded
from orchestrator.store.columns import clip
from orchestrator.store.dialects import among, batches, insert_new, move_back, upsert
from orchestrator.store.events.recording import writing
from orchestrator.store.extent import RunNames
from orchestrator.store.names import write_names
from orchestrator.store.schema import (
    LONGEST_ID,
    LONGEST_NAME,
    run_tags,
    runs,
    states,
    tags,
    target_digests,
    targets,
)
from orchestrator.store.schema import scores as scores_

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from orchestrator.model import LedgerRow, Name


@lru_cache(maxsize=16_384)
def spell_id(name: str) -> str:
    """An id of a finding as it is looked up: all spellings of one are equal, and none is longer than a key may be."""
    return clip(folded(name), LONGEST_ID).strip()


def run_id(connection: Connection, run: str, created: int) -> int:
    """The id of a run, which is made when it is not there; the run is not imported yet."""
    empty = {"ledger_digest": "", "ledger_stamp": "", "finished_at": 0, "passed": True, "pruned": False}
    with writing(connection):
        insert_new(connection, runs, [{"run": run, "created_at": created, **empty}])
        return int(connection.scalar(select(runs.c.id).where(runs.c.run == run)) or 0)


class TargetFacts(Protocol):
    """What a target is, beside its names."""

    @property
    def target(self) -> str:
        """Its id."""
        ...

    @property
    def digest(self) -> str:
        """Of its manifest."""
        ...

    @property
    def platform(self) -> str:
        """Its platform."""
        ...


def write_targets(
    connection: Connection,
    rows: Mapping[str, TargetFacts],
    called: Mapping[str, tuple[Name, ...]],
    created: int,
    *,
    whole: bool = True,
) -> dict[str, int]:
    """Bring targets and their names up to date.

    Args:
        connection: outside of a transaction.
        rows: by target.
        called: names of each target.
        created: when they were asked for.
        whole: whether these are all names of each target; otherwise what is known of them stays.

    Returns:
        Ids by target.
    """
    found: dict[str, int] = {}
    for wanted in batches(rows):
        with writing(connection):
            of_these = among(connection, targets.c.target, wanted)
            known = {row.target: row for row in connection.execute(select(targets).where(of_these)).all()}
            made = [_target(rows[target], called[target], known.get(target), created) for target in wanted]
            insert_new(connection, targets, [row for row in made if row["target"] not in known])
            upsert(connection, targets, ["target"], [row for row in made if row["target"] in known])
            late = [row for row in made if row["target"] in known and row["first_at"] < known[row["target"]].first_at]
            move_back(connection, targets.c.target, late)
            pairs = connection.execute(select(targets.c.target, targets.c.id).where(of_these)).all()
            ids = {row.target: row.id for row in pairs}
            write_names(connection, {ids[target]: called[target] for target in wanted}, created, whole=whole)
        found |= ids
    return found


def write_tags(connection: Connection, run: int, ids: Mapping[str, int], rows: Iterable[LedgerRow]) -> RunNames:
    """Write which names a run had for which target, in place of what was known of it, and the indexes of targets.

    Args:
        connection: outside of a transaction.
        run: id of the run.
        ids: of targets.
        rows: of the run's ledger.

    Returns:
        The same in short.
    """
    had: dict[tuple[str, str], set[int]] = {}
    digests: dict[tuple[str, int], None] = {}
    for row in rows:
        target = ids[row.target]
        for reference in row.references:
            had.setdefault((clip(reference, LONGEST_NAME), clip(row.platform, 64)), set()).add(target)
        digests |= {(clip(digest, 160), target): None for digest in row.indexes}
    with writing(connection):
        connection.execute(delete(run_tags).where(run_tags.c.run_id == run))
    for some in batches(had):
        with writing(connection):
            insert_new(connection, tags, [{"reference": name, "platform": platform} for name, platform in some])
            known = select(tags).where(among(connection, tags.c.reference, list({name for name, _ in some})))
            numbers = {(row.reference, row.platform): row.id for row in connection.execute(known)}
            pairs = [(numbers[name], target) for name in some for target in sorted(had[name])]
            insert_new(connection, run_tags, [{"run_id": run, "tag_id": tag, "target_id": of} for tag, of in pairs])
    for some in batches(digests):
        with writing(connection):
            insert_new(connection, target_digests, [{"digest": digest, "target_id": of} for digest, of in some])
    called = {number: target for target, number in ids.items()}
    every = sorted((*name, called[of]) for name, numbers in had.items() for of in numbers)
    digest = hashlib.blake2b(msgspec.json.encode(every), digest_size=16).hexdigest()
    return RunNames(digest if every else "", several=len(every) > len(had))


def write_scores(connection: Connection, scores: Mapping[str, float], at: int) -> None:
    """Write the EPSS of ids, unless a later run has told another."""
    spelt = {spell_id(name): value for name, value in scores.items()}
    for some in batches(spelt):
        with writing(connection):
            rows = connection.execute(select(scores_).where(among(connection, scores_.c.name, some)))
            known = {row.name: (row.at, row.epss) for row in rows}
            new = [{"name": name, "epss": spelt[name], "at": at} for name in some if _is_news(known, name, spelt, at)]
            upsert(connection, scores_, ("name",), new)


def _is_news(known: Mapping[str, tuple[int, float]], name: str, scores: Mapping[str, float], at: int) -> bool:
    return name not in known or (known[name][0] <= at and known[name][1] != scores[name])


def _target(row: TargetFacts, given: Sequence[Name], known: Any, created: int) -> dict[str, Any]:
    references = [clip(name.reference, LONGEST_NAME) for name in given]
    references += [known.reference] if known else []
    return {
        "target": row.target,
        "digest": clip(row.digest, 160),
        "platform": clip(row.platform, 64),
        "reference": min(references, default=""),
        "first_at": min(created, known.first_at) if known else created,
        "last_at": max(created, known.last_at) if known else created,
    }


def write_states(connection: Connection, pairs: Iterable[tuple[int, str]]) -> None:
    """Make the rows of targets and scans that have none yet: never tried."""
    empty: dict[str, Any] = {"last_at": 0, "ok_at": 0, "failures": 0, "findings": 0, "outcome": "", "reason": ""}
    empty |= dict.fromkeys(("scanner", "scanner_version", "database_version", "report_digest"), "")
    for some in batches(pairs):
        with writing(connection):
            insert_new(connection, states, [{"target_id": target, "scan": scan, **empty} for target, scan in some])
