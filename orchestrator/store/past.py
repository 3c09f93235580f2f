"""What all runs say, as questions across them need it: who had which name, how cells ended, and what was found.

A name is a reference and its platform, known here by the number of its tag. Runs are in the order in which they ended.
"""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from sqlalchemy import and_, bindparam, func, or_, select

from orchestrator.model import Outcome
from orchestrator.model.documents import spell_time
from orchestrator.results.errors import NoResultsError
from orchestrator.results.overview import RunSummary
from orchestrator.store.catalogue import spell_id
from orchestrator.store.cells import UNKNOWN
from orchestrator.store.dialects import BATCH, batches, rows_by
from orchestrator.store.extent import RunTimes
from orchestrator.store.facts import Said
from orchestrator.store.history import History
from orchestrator.store.lookers import completed
from orchestrator.store.names import uses_of
from orchestrator.store.places import Alike, RunPlace, RunsRead, StateTold, TargetPlace
from orchestrator.store.quiet import alike
from orchestrator.store.remembered import Remembered, filled
from orchestrator.store.schema import HAS_FOUND, cells, names, run_tags, runs, states, tags, targets
from orchestrator.store.search import facts_named, facts_of_package, indexes_of, scores_of, states_with
from orchestrator.store.spans import Position
from orchestrator.store.tag_cells import TagCells

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from orchestrator.model import Distrust, MergedFinding
    from orchestrator.store.spans import Span
    from orchestrator.store.tag_cells import TagCell, TellingCell

#: A target's reference and its platform (empty for a repository).
TagName: TypeAlias = tuple[str, str]
# Runs whose names are read at once.
_RUNS_AT_ONCE = 50

_TIMES = (runs.c.finished_at, runs.c.begin_at, runs.c.end_at)
_RUNS = select(runs.c.id, runs.c.run, *_TIMES, runs.c.partial, runs.c.ledger_digest, runs.c.form, runs.c.names_digest)
_HOLDING = select(states.c.id).where(HAS_FOUND)
_TOLD = select(states.c.id, states.c.held_at, states.c.held_run_id, states.c.rows_digest).where(HAS_FOUND)
_HOLDING_IN = (
    select(states.c.id, states.c.target_id)
    .join(cells, cells.c.state_id == states.c.id)
    .where(cells.c.run_id == bindparam("run"), or_(cells.c.outcome == Outcome.OK, cells.c.standing != ""))
)
_NAMES, _TARGETS = select(tags), select(targets.c.id, targets.c.target, targets.c.platform, targets.c.digest)
_NAMED = select(run_tags.c.run_id, run_tags.c.tag_id).distinct()
_OF_TARGETS = select(run_tags.c.tag_id).distinct()
_OF_STATES = select(states.c.id, states.c.target_id, states.c.scan)
_OWNERS = select(names.c.target_id, names.c.owner).where(names.c.owner != "").order_by(names.c.id)
_SCANS = (
    select(tags.c.id, states.c.scan)
    .join(names, names.c.reference == tags.c.reference)
    .join(targets, and_(targets.c.id == names.c.target_id, targets.c.platform == tags.c.platform))
    .join(states, states.c.target_id == targets.c.id)
    .where(states.c.last_at > 0)
    .distinct()
)


class StoreReader:
    """Reads of one store, within one transaction.

    Attributes:
        connection: which it reads by.
        runs: every run that is in the store, in the order in which they ended.
        said: what facts say.
        distrusted: which scanners are not believed.
        merged: whether every run is kept by this version, so that equal identities of facts are equal keys.
    """

    def __init__(
        self, connection: Connection, distrusted: Sequence[Distrust] = (), known: Remembered | None = None
    ) -> None:
        """Begin.

        Args:
            connection: of one transaction.
            distrusted: which scanners are not believed.
            known: what other questions have read at the same revision; what this one reads is added.
        """
        self.connection = connection
        self.said = Said(connection)
        self.distrusted = distrusted
        self._known = known or Remembered()
        if self._known.runs is None:
            self._known.runs = RunsRead.of(connection.execute(_RUNS).all())
        self._found, self._runs, self.merged, self.runs, orders = self._known.runs
        self._cells = TagCells(connection, orders, distrusted)
        self._tags: dict[int, array[int]] = {}

    @cached_property
    def times(self) -> RunTimes:
        """When the cells of each run ended."""
        return RunTimes(self._found)

    @cached_property
    def _history(self) -> History:
        return History(self.connection, self._runs)

    def names(self, wanted: Iterable[int] | None = None) -> dict[int, TagName]:
        """Names by their numbers; all of them for None."""
        return self._names(None) if wanted is None else filled(self._known.names, wanted, self._names)

    def _names(self, wanted: Iterable[int] | None) -> dict[int, TagName]:
        rows = rows_by(self.connection, tags.c.id, wanted, _NAMES)
        return {number: (reference, platform) for number, reference, platform in rows}

    def names_of_targets(self, wanted: Iterable[int]) -> set[int]:
        """Numbers of the names that targets ever had."""
        return {row.tag_id for row in rows_by(self.connection, run_tags.c.target_id, wanted, _OF_TARGETS)}

    def names_in(
        self, places: Sequence[RunPlace], wanted: Collection[int] | None = None
    ) -> Iterator[tuple[RunPlace, Collection[int]]]:
        """Runs with the numbers of their names, in the order given; where few are wanted, of these alone."""
        few = wanted is not None and len(wanted) <= BATCH
        for some in batches(places, _RUNS_AT_ONCE):
            known: dict[int, array[int]] = {} if few else self._tags
            lacking = [place.id for place in some if place.id not in known]
            known |= {run: array("q") for run in lacking}
            also = (run_tags.c.tag_id, wanted or ()) if few else None
            for row in rows_by(self.connection, run_tags.c.run_id, lacking, _NAMED, also=also):
                known[row.run_id].append(row.tag_id)
            yield from ((place, known[place.id]) for place in some)

    def scans_of(self, wanted: Collection[int] | None) -> set[tuple[int, str]]:
        """Names by number, with each scan that any target had that they ever meant."""
        return {(row.id, row.scan) for row in rows_by(self.connection, tags.c.id, wanted, _SCANS)}

    def cells(
        self, places: Collection[RunPlace], wanted: Collection[int] | None, scans: Collection[str] | None = None
    ) -> Iterator[TagCell]:
        """The cells of runs, once for each name of their targets.

        Args:
            places: of these runs.
            wanted: only of these names; None for all.
            scans: where only some names are wanted: of them, only by these scans; None for all.
        """
        return self._cells.of([place.id for place in places], wanted, scans)

    def found(
        self,
        wanted: Iterable[tuple[int, Position]],
        facts: Collection[int] | None = None,
        known: Sequence[tuple[int, Span]] | None = None,
    ) -> dict[tuple[int, Position], dict[int, int]]:
        """What was found by targets and scans at places of theirs: facts, and since when each is known.

        Args:
            wanted: numbers of targets and scans, each with a place of a cell that has a result.
            facts: only these; None for all.
            known: only this, of these targets and scans, instead of what would be read.
        """
        places: dict[int, set[Position]] = {}
        for state, place in wanted:
            places.setdefault(state, set()).add(place)
        found: dict[tuple[int, Position], dict[int, int]] = {(of, at): {} for of in places for at in places[of]}
        read = (self._history.spans(some, facts) for some in batches(places))
        for spans in read if known is None else [known]:
            for state, span in spans:
                for place in places.get(state, ()):
                    if span.first <= place and (span.gone is None or place < span.gone):
                        found[state, place][span.fact] = span.seen or span.first.at
        return found

    def holding(self, wanted: Iterable[int]) -> set[int]:
        """Those of some targets and scans that have, or had, any finding."""
        return {row.id for row in rows_by(self.connection, states.c.id, set(wanted), _HOLDING)}

    def told(self) -> dict[int, StateTold]:
        """What every target and scan that ever found anything told last."""
        return {
            state: StateTold(Position(at, self._runs.get(run, "")), "" if digest == UNKNOWN else digest)
            for state, at, run, digest in self.connection.execute(_TOLD)
        }

    def moved(self, since: Mapping[int, Position]) -> list[tuple[int, int]]:
        """What came or went, by a cell of any run, after a place of targets and scans: of these, and the facts."""
        return self._history.moved(since)

    def alike(self, moved: Collection[tuple[int, int]], together: Mapping[int, Collection[int]]) -> list[Alike]:
        """What targets and scans have, or had, of the things that some of their facts are about.

        Args:
            moved: targets and scans, each with one of these facts.
            together: of each of them all those of the same target that count.
        """
        about = alike(self.connection, {fact for _, fact in moved})
        same: dict[str, list[int]] = {}
        for fact, identity in about.items():
            same.setdefault(identity, []).append(fact)
        wanted = {(state, each) for one, fact in moved for each in same[about[fact]] for state in together[one]}
        return [Alike(state, about[span.fact], span) for state, span in self._history.spans_of(wanted)]

    def targets(self, wanted: Iterable[int]) -> dict[int, str]:
        """Ids of targets by their numbers."""
        rows = rows_by(self.connection, targets.c.id, set(wanted), _TARGETS)
        return {number: target for number, target, _, _ in rows}

    def platforms(self, wanted: Iterable[int]) -> dict[int, str]:
        """Platforms of targets by their numbers; empty for a repository."""
        rows = rows_by(self.connection, targets.c.id, set(wanted), _TARGETS)
        return {number: platform for number, _, platform, _ in rows}

    def owners(self, wanted: Iterable[int]) -> dict[int, tuple[str, ...]]:
        """Owners of targets, in the order in which they became known."""
        found: dict[int, dict[str, None]] = {}
        for target, owner in rows_by(self.connection, names.c.target_id, wanted, _OWNERS):
            found.setdefault(target, {})[owner] = None
        return {target: tuple(owners) for target, owners in found.items()}

    def described(self, wanted: Collection[int]) -> dict[int, TargetPlace]:
        """What targets are, who answers for them, and what runs them, by their numbers."""
        return filled(self._known.places, wanted, self._described)

    def current(
        self,
        wanted: Collection[tuple[int, str]],
        read: Callable[[Collection[tuple[int, str]]], Mapping[tuple[int, str], tuple[TellingCell, ...]]],
    ) -> dict[tuple[int, str], tuple[TellingCell, ...]]:
        """The cells that tell what names mean now, by target and scan; those that nobody has asked for yet are read."""
        return filled(self._known.current, wanted, read)

    def completed(self, found: Sequence[tuple[int, str, MergedFinding]]) -> list[MergedFinding]:
        """Findings with the scans that did not, or could not, find them: see `orchestrator.store.lookers`."""
        return completed(self.connection, found, self._known.told)

    def _described(self, wanted: Collection[int]) -> dict[int, TargetPlace]:
        owners, uses = self.owners(wanted), uses_of(self.connection, wanted)
        indexes = indexes_of(self.connection, wanted)
        return {
            number: TargetPlace(
                target, digest, platform,
                owners.get(number, ()), indexes.get(number, ()), uses.get(number, ()),
            )
            for number, target, platform, digest in rows_by(self.connection, targets.c.id, wanted, _TARGETS)
        }  # fmt: skip

    def facts(self, name: str, package: str) -> set[int]:
        """Numbers of the facts with an id and about a package; an empty one means any."""
        asked = [facts_named(self.connection, name)] if name else []
        asked += [facts_of_package(self.connection, package)] if package else []
        return set.intersection(*asked) if asked else set()

    def states_with(self, facts: Iterable[int] | None) -> dict[int, tuple[int, str]]:
        """The targets and scans that have, or had, any of these facts (None for any at all), by their number."""
        return states_with(self.connection, facts)

    def spans_with(self, facts: Collection[int]) -> tuple[dict[int, tuple[int, str]], list[tuple[int, Span]]]:
        """The same as `states_with`, and from when to when each has them: what `found` takes as known."""
        rows = self._history.spans_with(facts)
        states_ = {state: (target, scan) for state, target, scan, _ in rows}
        return states_, [(state, span) for state, _, _, span in rows]

    def states_of(self, wanted: Iterable[int], facts: Collection[int] | None) -> dict[int, tuple[int, str]]:
        """The same as `states_with` of some targets: costs what they have."""
        rows = rows_by(self.connection, states.c.target_id, wanted, _OF_STATES)
        known = {row.id: (row.target_id, row.scan) for row in rows}
        having = self.holding(known)
        if facts is not None:
            having = {state for state, _ in self._history.spans(sorted(having), facts)}
        return {state: of for state, of in known.items() if state in having}

    def scores(self, ids: Iterable[str]) -> dict[str, float]:
        """EPSS by id, as far as a run told it."""
        spelt = {each: spell_id(each) for each in set(ids)}
        known = scores_of(self.connection, spelt.values())
        return {each: known[key] for each, key in spelt.items() if key in known}

    def latest(self) -> str:
        """Id of the run that ended last.

        Raises:
            NoResultsError: there is none.
        """
        if not self.runs:
            raise NoResultsError("no run has ended here")
        return self.runs[-1].order[1]

    def before(self, run: str) -> int:
        """A moment at which all runs that ended before a run had ended, and it had not; 0 for an unknown one."""
        return next((place.order[0] - 1 for place in self.runs if place.order[1] == run), 0)

    def summaries(self, places: Sequence[RunPlace]) -> dict[int, RunSummary]:
        """Runs in numbers; of what an earlier version wrote down of one that is gone, its cells alone."""
        found = {}
        for row in rows_by(self.connection, runs.c.id, [place.id for place in places], select(runs)):
            if row.summary:
                found[row.id] = msgspec.json.decode(row.summary, type=RunSummary)
                continue
            finished = spell_time(datetime.fromtimestamp(row.finished_at, UTC)) if row.finished_at else ""
            found[row.id] = RunSummary(run=row.run, finished=finished, passed=row.passed, **self._counts(row.id))
        return found

    def _counts(self, run: int) -> dict[str, Any]:
        counted = select(cells.c.outcome, func.count().label("cells")).where(cells.c.run_id == run)
        counts = {row.outcome: row.cells for row in self.connection.execute(counted.group_by(cells.c.outcome))}
        of_run = select(func.count(states.c.target_id.distinct())).join(cells, cells.c.state_id == states.c.id)
        return {
            "cells": {outcome: counts.get(outcome.value, 0) for outcome in Outcome},
            "targets": self.connection.scalar(of_run.where(cells.c.run_id == run)) or 0,
        }

    def suspects(self, places: Sequence[RunPlace]) -> dict[int, dict[int, int]]:
        """The results of runs that are not believed, their own and those that still stood.

        Returns:
            Of each run with any, by its number: numbers of targets and scans, with those of the targets.
        """
        made, at = cells.alias(), runs.alias()
        columns = (states.c.id, states.c.target_id, states.c.scan, states.c.suspect, states.c.ok_run_id)
        makers = (made.c.run_id, made.c.at, made.c.scanner, made.c.scanner_version, made.c.scanner_image)
        own = select(made.c.run_id.label("of"), *columns, *makers).where(made.c.outcome == Outcome.OK)
        own = own.join(states, states.c.id == made.c.state_id)
        stood = (
            select(cells.c.run_id.label("of"), *columns, *makers)
            .join(at, at.c.run == cells.c.standing)
            .join(made, and_(made.c.state_id == cells.c.state_id, made.c.run_id == at.c.id))
            .join(states, states.c.id == made.c.state_id)
        )
        ids = [place.id for place in places]
        found: dict[int, dict[int, int]] = {}
        for column, query in ((made.c.run_id, own), (cells.c.run_id, stood)):
            for row in rows_by(self.connection, column, ids, query):
                if self._cells.suspect(row):
                    found.setdefault(row.of, {})[row.id] = row.target_id
        return found

    def uncovered(self, run: int, suspects: Mapping[int, int]) -> int:
        """How many targets of a run have only results that are not believed, which are as `suspects` says."""
        targets = set(suspects.values())
        rows = rows_by(self.connection, states.c.target_id, targets, _HOLDING_IN, run=run)
        return len(targets - {row.target_id for row in rows if row.id not in suspects})
