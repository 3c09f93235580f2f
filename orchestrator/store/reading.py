"""A run's ledger and plan on the volume, read for the store; whatever cannot be believed is reported, never guessed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.kit.advice import resuming
from orchestrator.model import Ledger, Name
from orchestrator.model.documents import DocumentError, NewerDocumentError, decode
from orchestrator.results.errors import NoResultsError
from orchestrator.results.provisional import LEDGER
from orchestrator.store.documents import DamagedRunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.volume.layout import Volume


class RunFiles(NamedTuple):
    """What a run left on the volume, its findings aside.

    Attributes:
        ledger: its ledger.
        digest: `sha256:<hex>` of the ledger's file.
        names: every name of each target; of old ledgers without owner and labels where the plan is not there.
        reports: file name of each scan's report.
    """

    ledger: Ledger
    digest: str
    names: Mapping[str, tuple[Name, ...]]
    reports: Mapping[str, str]


class _Target(msgspec.Struct):
    id: str
    names: tuple[Name, ...]


class _Scan(msgspec.Struct):
    name: str
    report: str = "report.json"


class _Plan(msgspec.Struct):
    """As much of a plan as the store needs; the rest is skipped unread."""

    targets: list[_Target]
    scans: list[_Scan]


def stamp(volume: Volume, run: str) -> str:
    """Size and time of a run's ledger: as long as they are the same, it has not been written again.

    Raises:
        NoResultsError: there is none.
    """
    try:
        found = (volume.results(run) / LEDGER).stat()
    except OSError as error:
        raise NoResultsError(f"run {run} has no ledger on the volume; it never ended, or never was here") from error
    return f"{found.st_size}:{found.st_mtime_ns}"


def read_run(volume: Volume, run: str) -> RunFiles:
    """Read ledger and plan.

    Raises:
        NoResultsError: there is no ledger.
        DamagedRunError: ledger or plan are damaged, or the ledger is of a later version.
    """
    path = volume.results(run) / LEDGER
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NoResultsError(f"{path}: run {run} has no ledger; it never ended, or never was here") from error
    try:
        ledger = decode(data, Ledger, origin=str(path))
    except NewerDocumentError as error:  # the results are sound: nobody is to make them again, or to remove them
        raise DamagedRunError(f"run {run} cannot be imported: {error}") from error
    except (DocumentError, RecursionError) as error:
        raise damaged(run, str(error)) from error
    if ledger.run != run:
        raise damaged(run, f"{path}: it is the ledger of run {ledger.run}")
    if len({row.cell for row in ledger.rows}) != len(ledger.rows):
        raise damaged(run, f"{path}: a cell is in it twice")
    plan = _read_plan(volume, run)
    names = ledger.names | {target.id: target.names for target in plan.targets}
    for row in ledger.rows:
        if row.target not in names:
            owners = row.owners or ("",)
            names[row.target] = tuple(Name(reference=each, owner=owner) for each in row.references for owner in owners)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return RunFiles(ledger, digest, names, {scan.name: scan.report for scan in plan.scans})


def _read_plan(volume: Volume, run: str) -> _Plan:
    path = volume.plan(run)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Plan)
    except FileNotFoundError:  # results that were fetched from a cluster, whose plan stayed there
        return _Plan([], [])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise damaged(run, f"{path}: not a valid plan: {error}") from error


def damaged(run: str, why: str) -> DamagedRunError:
    """The error for a run that cannot be imported."""
    return DamagedRunError(
        f"run {run} cannot be imported: {why}; make its results again ({resuming(run)}), or remove them"
    )
