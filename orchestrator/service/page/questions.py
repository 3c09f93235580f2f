"""What pages ask. The store they ask is what the caller may see of it; the files of a run are narrowed to that here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.api import files, lists, results
from orchestrator.api import run as runs
from orchestrator.errors import NotKnownError, ScanmatrixError, TemporaryError, UsageError
from orchestrator.queries.known_targets import coverage_of_targets
from orchestrator.queries.opening import asking
from orchestrator.results.bom.tree import read_nodes
from orchestrator.results.coverage import coverage_in
from orchestrator.results.errors import NoResultsError
from orchestrator.scanners.rules import volume_of
from orchestrator.service.page.views import findings
from orchestrator.service.page.views import run as one_run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence, Set
    from contextlib import AbstractContextManager
    from datetime import datetime

    from orchestrator.config.loading import Config
    from orchestrator.model import LedgerRow, RunStatus
    from orchestrator.queries.known_targets import KnownTarget
    from orchestrator.queries.store import Store
    from orchestrator.results.bom.tree import BomNode
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.service.page.views.findings import ChangeGroup, SearchWords
    from orchestrator.service.page.views.run import RunView
    from orchestrator.store.documents import Holders, TargetView

    Owners = Set[str] | None

#: Runs that the list of runs has.
_RUNS = 100
#: Files of a run that the API has, by the last part of their paths; of several, what it makes the first of when asked.
_FILES = {"report": ("report.html", "merged.parquet"), "bom": ("bom.cdx.json", "merged.parquet")}


class ChangesShown(NamedTuple):
    """What changed; `run` is the run it changed with, empty for all since a moment."""

    groups: tuple[ChangeGroup, ...]
    rests_on: Coverage
    run: str


class RunsKnown(NamedTuple):
    """Runs that have ended, those that have not, and why the engine does not say which have not."""

    ended: tuple[RunSummary, ...]
    active: tuple[RunView, ...]
    trouble: str


def every_target(config: Config) -> tuple[tuple[KnownTarget, ...], Coverage]:
    """All targets that names mean now, and of which of them there is any result."""
    with _store(config) as store:
        known = store.known_targets()
        return known, coverage_of_targets(known)


def some_targets(config: Config, ids: Collection[str]) -> tuple[KnownTarget, ...]:
    """Some of them, by their ids."""
    with _store(config) as store:
        return store.targets_by_id(ids)


def one_target(config: Config, target: str) -> TargetView:
    """One target, with what it no longer has.

    Raises:
        NotKnownError: there is none with this id.
    """
    with _store(config) as store:
        found = store.target(target, gone=True)
    if found is None:
        raise NotKnownError(f"no target has the id {target}; the matrix lists those that there are")
    return found


def packages(config: Config, target: str) -> list[BomNode]:
    """What is in a target, by its latest BOM.

    Raises:
        NotKnownError: there is no such target, or nothing is known of it.
        NoResultsError: its BOM is not on the volume any more, or cannot be shown.
    """
    return read_nodes(files.target_bom(config, target))


def holders(config: Config, words: SearchWords, most: int) -> Holders:
    """Who has what was searched for, the worst first; at most this many rows."""
    with _store(config) as store:
        return store.who_has(words.id, most, package=words.package)


def changes(config: Config, owners: Owners, run: str, since: datetime | None) -> ChangesShown:
    """What changed with a run, the latest one if none is named, or since a moment; no groups where no run has ended.

    Raises:
        NotKnownError: there is no such run.
    """
    if since is not None:
        with _store(config) as store:
            groups = findings.grouped(store.differences(since=since, still=False))
            return ChangesShown(groups, store.coverage(), "")
    if not run and not results.list_results(config, most=1):
        return ChangesShown((), coverage_in(()), "")
    try:
        opened = results.open_results(config, run or None)
    except (UsageError, NotKnownError) as error:  # which names the volume
        raise NotKnownError(f"there is no run {run} that has finished; /runs lists those that there are") from error
    with _store(config) as store:
        groups = findings.grouped(store.differences(opened.run, still=False))
    return ChangesShown(groups, coverage_in(_owned(config, owners, opened.ledger.rows)), opened.run)


def every_run(config: Config, owners: Owners) -> RunsKnown:
    """The runs, the latest first."""
    ended = results.list_results(config, most=_RUNS)
    try:
        known = runs.list_runs(config)
    except ScanmatrixError as error:
        return RunsKnown(ended, (), str(error))
    active = (one_run.of_status(_seen(config, owners, status)) for status in known if not status.ended)
    return RunsKnown(ended, tuple(run for run in active if owners is None or run.total), "")


def one_run_of(config: Config, owners: Owners, run: str) -> RunView:
    """What the engine says of a run that is not over; else its ledger, which is all that other machines have.

    Raises:
        NotKnownError: there is no such run.
        TemporaryError: the engine does not say now whether there is, and no ledger does.
    """
    trouble: TemporaryError | None = None
    try:
        status = runs.status(config, run)
    except TemporaryError as error:
        status, trouble = None, error
    except ScanmatrixError:  # of another machine, or deleted by its engine
        status = None
    if status is not None and not status.ended:
        return _of_status(config, owners, status)
    try:
        ledger = results.open_results(config, run).ledger
    except (UsageError, NotKnownError, NoResultsError) as error:
        if status is None:
            raise trouble or NotKnownError(f"there is no run {run}; /runs lists those that there are") from error
        return _of_status(config, owners, status)
    rows = _owned(config, owners, ledger.rows)
    if owners is not None and not rows:
        raise _not_theirs(run, owners)
    view = one_run.of_ledger(ledger, rows)
    folder = volume_of(config).results(run)
    there = tuple(name for name, some in _FILES.items() if any((folder / file).is_file() for file in some))
    return view._replace(message="") if owners is not None else view._replace(files=there)


def _of_status(config: Config, owners: Owners, status: RunStatus) -> RunView:
    seen = _seen(config, owners, status)
    if owners is not None and not seen.cells:
        raise _not_theirs(status.run, owners)
    return one_run.of_status(seen)


def _not_theirs(run: str, owners: Set[str]) -> NotKnownError:
    return NotKnownError(f"run {run} has no target of {', '.join(sorted(owners))}")


def _owned(config: Config, owners: Owners, rows: Sequence[LedgerRow]) -> Sequence[LedgerRow]:
    if owners is None:
        return rows
    names = _own_names(config, {row.target for row in rows})
    return [msgspec.structs.replace(row, references=(names[row.target],)) for row in rows if row.target in names]


def _seen(config: Config, owners: Owners, status: RunStatus) -> RunStatus:
    """The cells of the targets that the caller may see; an engine knows no owners, and its message is of all."""
    if owners is None:
        return status
    names = _own_names(config, {cell.target for cell in status.cells})
    cells = [
        msgspec.structs.replace(cell, reference=names[cell.target]) for cell in status.cells if cell.target in names
    ]
    return msgspec.structs.replace(status, message="", cells=tuple(cells))


def _own_names(config: Config, targets: Collection[str]) -> dict[str, str]:
    """Those targets that the caller may see, each with a name that the caller has for it; else with its id."""
    known = {of.target: of.references for of in some_targets(config, targets)}
    return {target: next(iter(known.get(target, ())), target) for target in lists.visible(config, targets)}


def _store(config: Config) -> AbstractContextManager[Store]:
    return asking(volume_of(config), config)
