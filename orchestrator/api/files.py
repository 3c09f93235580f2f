"""Files that runs left on the volume, for downloads: of whole runs, of one target, of one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.api import lists
from orchestrator.errors import NotKnownError
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.config.loading import Config


def run_file(config: Config, run: str, name: str) -> Path:
    """Where a file of a run's results lies, whether it is there or not.

    Args:
        config: names the volume and the store.
        run: id of a run that has finished.
        name: of the file.

    Raises:
        NotKnownError: there is no such run.
    """
    if lists.run_summary(config, run) is None:
        raise NotKnownError(f"there is no run {run} that has finished")
    return volume_of(config).results(run) / name


def target_bom(config: Config, target: str) -> bytes:
    """The BOM of a target, out of the latest run with a result of it.

    Raises:
        NotKnownError: there is no such target, or nothing is known of it.
        NoResultsError: that run's BOM is not on the volume any more.
    """
    from orchestrator.results.bom.split import target_bom as split

    found = lists.one_target(config, target)
    runs = [(state.at, state.run) for state in found.states if state.at and state.run] if found else []
    if not runs:
        raise NotKnownError(f"there is no target {target} with a result")
    return split(volume_of(config).results(max(runs)[1]), target)


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
