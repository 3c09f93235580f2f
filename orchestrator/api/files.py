"""Files that runs left on the volume, for downloads: of whole runs, of one target, of one cell."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.api import lists
from orchestrator.errors import NotKnownError, VolumeFullError
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults


def run_bom(config: Config, run: str) -> Path:
    """Where the BOM of a run lies, whether it is there or not; that of a result that was put is made when asked for.

    Raises:
        NotKnownError: there is no such run.
        NoResultsError: it would be made, but its run is not on the volume any more.
        VolumeFullError, OSError: it would be made, but the volume is full, or cannot be written.
    """
    results = _ended(config, run)
    with _making(run, "BOM"):
        return results.bom


def run_page(config: Config, run: str) -> Path:
    """Where the HTML report of a run lies; it is made where nobody has asked for it yet, as of a result that was put.

    Raises:
        NotKnownError: there is no such run.
        NoResultsError: the run's merged findings are not on the volume any more, or damaged.
        VolumeFullError, OSError: the volume is full, or cannot be written.
    """
    from orchestrator.exports import html
    from orchestrator.volume.layout import atomic_file

    results = _ended(config, run)
    path = results.folder / html.FILE
    if not path.exists():
        with _making(run, "report"), atomic_file(path) as file:
            html.write_report(results, file)
    return path


def target_bom(config: Config, target: str) -> bytes:
    """The BOM of a target, out of the latest run with a result of it.

    Raises:
        NotKnownError: there is no such target, or nothing is known of it.
        NoResultsError: that run's BOM is not on the volume any more.
        VolumeFullError, OSError: it would be made, but the volume is full, or cannot be written.
    """
    from orchestrator.results.bom.split import target_bom as split

    found = lists.one_target(config, target)
    runs = [(state.at, state.run) for state in found.states if state.at and state.run] if found else []
    if not runs:
        raise NotKnownError(f"there is no target {target} with a result")
    return split(run_bom(config, max(runs)[1]), target)


def cell_report(config: Config, run: str, target: str, scan: str) -> bytes:
    """What a scanner wrote in a cell of a run.

    Raises:
        NotKnownError: there is no such run or cell, or its report is not on the volume any more.
    """
    from orchestrator.findings.interface import ReportError
    from orchestrator.findings.reading import read_report
    from orchestrator.upkeep.plans import read_plan

    volume = volume_of(config)
    if not lists.visible(config, {target}) or not volume.plan(run).exists():
        raise NotKnownError(f"there is no cell {target}/{scan} in a run {run}")
    found = next((each for each in read_plan(run, volume).scans if each.name == scan), None)
    if found is None:
        raise NotKnownError(f"run {run} has no scan {scan}")
    folder = volume.cell(run, target, scan)
    try:
        return read_report(folder / found.report, found.report_limit, root=folder)
    except ReportError as error:
        raise NotKnownError(f"{target}/{scan} of run {run}: {error}") from error


def _ended(config: Config, run: str) -> RunResults:
    from orchestrator.results.run import RunResults

    if lists.run_summary(config, run) is None:
        raise NotKnownError(f"there is no run {run} that has finished")
    return RunResults(volume_of(config), run)


@contextmanager
def _making(run: str, what: str) -> Iterator[None]:
    """Say of a full volume that it is one."""
    from orchestrator.upkeep.room import FULL

    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise VolumeFullError(f"run {run}: no room on the volume for its {what}; make room and ask again") from error
