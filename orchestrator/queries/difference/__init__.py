"""Differences between what runs found: new, changed, fixed, still there, or no longer scanned.

What is compared is the *state* of a name (a reference and its platform) at two moments, or of two names now: for each
scan its latest result, whichever run made it, because a run may hold only some targets and scans. On the newer side a
result counts only while it says something of the name as it is now: not when the scan failed since, is no longer
planned, or has not run since the name moved to another image; what was there is then `no longer scanned`, not `fixed`.

Every function gives a pandas DataFrame with one row for each name and key of a merged finding, ordered by reference,
platform, status, severity (the worst first), id and key, and the columns of `docs/results.md`, "Differences":

    status              category: `new`, `changed`, `fixed`, `no longer scanned`, `still there`
    reference, platform str: the name; the newer one where two are compared
    key, kind, id       str: as in `merged.parquet`
    severity            ordered category; as the newer side has it, or else the older, as all that follows
    package             str
    version_before      str: versions of the package joined by `, `; `""` where it is not there
    version_after       str
    count_before        Int64: how many of it there were (`MergedFinding.count`); NA where nobody counted
    count_after         Int64: how many there are; of `changed`, as counted by scans that counted on both sides
    fixed_version       str
    found_by            list of strings (Arrow): scans
    owners              list of strings (Arrow)
    suppressed_before   str: `ignored`, `not_affected`, `fixed` or `scanner` when it was suppressed, else `""`
    suppressed_after    str
    run_before          str: the run that says what was; `""` when nobody does
    run_after           str: the run that says what is
    why                 str: in words; `""` for what is still there
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import UsageError
from orchestrator.kit.yaml_source import suggest
from orchestrator.model.documents import DocumentError
from orchestrator.queries.difference.explain import STATUSES, Pair
from orchestrator.queries.difference.states import RunLedger, State, state_now
from orchestrator.results.interface import NoResultsError
from orchestrator.results.ledger import LEDGER, each_ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import pandas as pd

    from orchestrator.queries.difference.states import Name
    from orchestrator.volume.layout import Volume

__all__ = ["STATUSES", "between", "since", "since_last"]

_HUB = ("docker.io/library/", "docker.io/")


def since_last(volume: Volume, run: str) -> pd.DataFrame:
    """What a run changed: its names against what all runs before it say of them.

    A run that is not partial also tells what it no longer holds: names that the last such run had, if the two have any
    name in common.

    Args:
        volume: where the runs lie.
        run: id of a run that has ended.

    Returns:
        As the module says; with no run before it, everything is `new`, because of the `first run`.

    Raises:
        NoResultsError: the run has no ledger; or a run that is needed has no merged findings.
        orchestrator.model.documents.DocumentError: the run's ledger is damaged.
    """
    ledger = _read(volume, run)
    order = ledger.order(run)
    older, newer = State(volume.distrusted), State(volume.distrusted)
    for name, other in each_ledger(volume, RunLedger):
        if name != run and other.order(name) < order:
            older.add(other, other.order(name))
            newer.add(other, other.order(name))
    newer.add(ledger, order)
    names = dict.fromkeys((reference, row.platform) for row in ledger.rows for reference in row.references)
    pairs = [Pair(name, name, *name) for name in names]
    pairs += [
        Pair(name, name, *name, gone=gone)
        for name in older.names
        if name not in names and (gone := newer.gone(name)) and not older.gone(name)
    ]
    return _compare(volume, older, newer, pairs)


def since(volume: Volume, moment: datetime, *, references: Sequence[str] | None = None) -> pd.DataFrame:
    """What all runs that ended after a moment changed.

    Args:
        volume: where the runs lie.
        moment: with a time zone; runs that ended then or before are what is compared with.
        references: only these names, as the runs have them (`docker.io/library/ubuntu:20.04`), or the end of one that
            no other has (`ubuntu:20.04`); None for all.

    Returns:
        As the module says.

    Raises:
        UsageError: the moment has no time zone, there is no run, or none has such a name.
        NoResultsError: a run that is needed has no merged findings.
    """
    if moment.tzinfo is None:
        raise UsageError(f"{moment}: say in which time zone, such as {moment}+00:00")
    older, newer = State(volume.distrusted), State(volume.distrusted)
    for run, ledger in each_ledger(volume, RunLedger):
        order = ledger.order(run)
        newer.add(ledger, order)
        if order[0] <= moment:
            older.add(ledger, order)
    names = _chosen(newer, volume, references)
    pairs = [
        Pair(name, name, *name, gone=newer.gone(name)) for name in names if not (older.gone(name) and newer.gone(name))
    ]
    return _compare(volume, older, newer, pairs)


def between(volume: Volume, older_reference: str, newer_reference: str) -> pd.DataFrame:
    """What is different between two tags of an image, or any two names, as they were last scanned.

    Args:
        volume: where the runs lie.
        older_reference: a name as for `since`.
        newer_reference: the other; the rows have it as their `reference`.

    Returns:
        As the module says, for each platform that one of them has.

    Raises:
        UsageError: there is no run, or none has such a name.
        NoResultsError: a run that is needed has no merged findings.
    """
    state = state_now(volume)
    older = {name[1]: name for name in _chosen(state, volume, [older_reference])}
    newer = {name[1]: name for name in _chosen(state, volume, [newer_reference])}
    reference = next(iter(newer.values()))[0]
    pairs = [Pair(older.get(platform), newer.get(platform), reference, platform) for platform in {**older, **newer}]
    return _compare(volume, state, state, pairs)


def _compare(volume: Volume, older: State, newer: State, pairs: Sequence[Pair]) -> pd.DataFrame:
    from orchestrator.queries.difference.compare import compare  # noqa: PLC0415 - imports pandas

    return compare(volume, older, newer, pairs)


def _read(volume: Volume, run: str) -> RunLedger:
    path = volume.results(run) / LEDGER
    if not path.exists():
        raise NoResultsError(f"{path}: run {run} has no ledger; it never ended, or never was on this volume")
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunLedger)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"{path}: not a valid ledger: {error}") from error


def _chosen(state: State, volume: Volume, references: Sequence[str] | None) -> list[Name]:
    """The names of these references, every platform of each."""
    if not state.runs:
        raise NoResultsError(f"{volume.root}: no run has ended here; there is nothing to compare")
    names = list(state.names)
    if references is None:
        return names
    known = dict.fromkeys(reference for reference, _ in names)
    wanted = {_find(reference, known) for reference in references}
    return [name for name in names if name[0] in wanted]


def _find(written: str, known: Iterable[str]) -> str:
    """The name that a person means."""
    known = set(known)
    # Docker adds `latest` where there is no tag; a path's or a URL's own end is taken as it is.
    spelt = [written] if ":" in written.rpartition("/")[2] else [written, f"{written}:latest"]
    for candidate in [*spelt, *(prefix + each for each in spelt for prefix in _HUB)]:
        if candidate in known:
            return candidate
    ends = sorted(name for name in known if name.endswith(tuple(f"/{each}" for each in spelt)))
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise UsageError(f"{written!r} may be {', '.join(ends)}; write one of them whole")
    short = {name.rpartition("/")[2] for name in known}
    raise UsageError(f"no run on this volume has {written!r}{suggest(written, known | short)}")
