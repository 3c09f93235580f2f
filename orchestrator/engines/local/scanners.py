"""Starts scanners: one attempt at a cell, or the command that fills a database."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.engines.local.confine import bound_of_cell, bound_of_database
from orchestrator.engines.local.containers import CHECKOUT, DATABASE, FETCHED, LAYERS, SBOM, TARBALL, WORK
from orchestrator.engines.local.launch import Binding, Launcher
from orchestrator.engines.local.online import Turns, token
from orchestrator.engines.local.process import Ended, Job
from orchestrator.engines.local.programs import ScannerMissing
from orchestrator.errors import PermanentError
from orchestrator.git.url import project
from orchestrator.kit.masking import mask
from orchestrator.kit.removal import temporary_folder
from orchestrator.model import Limits, Scan, Target
from orchestrator.upkeep.databases import REFRESHING

_LIMITS = Limits()


class RefreshFailed(PermanentError):  # noqa: N818 - the name says what happened
    """A database's refresh command failed."""


@dataclass(frozen=True)
class CellInputs:
    """What one attempt at a cell works with.

    Attributes:
        work: folder for this attempt alone; its HOME, TMPDIR and working directory.
        target: of the cell.
        tarball: the cell's `image.tar`, or the SBOM that it reads in place of the image.
        database: folder of the database version it was given; None for scans without.
        checkout: folder with the files of a repository; None for an image.
        online: whether it asks the API of the repository's host.
        layers: folder with the files of an image's layers; None for a scan that does not read them.
        sbom: whether it reads an SBOM.
    """

    work: Path
    target: Target
    tarball: Path
    database: Path | None = None
    checkout: Path | None = None
    online: bool = False
    layers: Path | None = None
    sbom: bool = False


class Scanners:
    """Runs scans of cells, and what fills their databases.

    Args:
        launcher: as below.
        limits: of the plan.

    Attributes:
        launcher: starts their jobs; knows which of them can run here, and how.
    """

    def __init__(self, launcher: Launcher, limits: Limits = _LIMITS) -> None:
        self.launcher = launcher
        self._limits = limits
        self._turns = Turns()

    def run(self, scan: Scan, attempt: CellInputs, stopped: Callable[[], str]) -> Ended:
        """Run a scan once; it writes its report into the attempt's folder, as `scan.report`.

        Raises:
            ScannerMissing: its program is not available.
            ImageUnavailable: neither is its image.
            TokenMissing: it asks an API, and there is no token for that.
        """
        read = ("sbom", attempt.tarball, SBOM) if attempt.sbom else ("tarball", attempt.tarball, TARBALL)
        places = [Binding("workdir", attempt.work, WORK, read_only=False), Binding(*read)]
        if attempt.checkout:
            places.append(Binding("checkout", attempt.checkout, CHECKOUT))
        if attempt.layers:
            places.append(Binding("layers", attempt.layers, LAYERS))
        if attempt.database:
            places.append(Binding("database", attempt.database, DATABASE))
        job = Job(
            argv=scan.command_for(attempt.target.kind, online=attempt.online, sbom=attempt.sbom),
            folder=attempt.work,
            environment=scan.environment,
            report=attempt.work / scan.report,
            report_limit=scan.report_limit,
            timeout=scan.timeout,
            from_stdout=scan.report_from_stdout,
            success_codes=scan.success_codes,
            bound=bound_of_cell(scan, self._limits),
        )
        if attempt.online:
            return self._run_online(scan, job, places, attempt.target, stopped)
        ended = self.launcher.launch(scan, job, places, stopped)
        return replace(ended, error=mask(ended.error), log=mask(ended.log))

    def _run_online(
        self, scan: Scan, job: Job, places: Sequence[Binding], target: Target, stopped: Callable[[], str]
    ) -> Ended:
        """One of the few cells that may use the network, with the token for its own host and no other."""
        online = scan.repository and scan.repository.online
        if not online:
            raise ScannerMissing(f"{scan.name} cannot ask the host of {target.reference}; plan a new run")
        secret = token(online, target)
        values = {"repository": project(target.pull), "commit": target.commit}
        with self._turns.taken(scan.name, online.at_once, stopped) as reason:
            if reason:
                return Ended(error=reason)
            ended = self.launcher.launch(scan, job, places, stopped, network=True, secrets=secret, values=values)
        return replace(ended, error=mask(ended.error, *secret.values()), log=mask(ended.log, *secret.values()))

    def refresh(self, scan: Scan, folder: Path, fetched: Path | None, stopped: Callable[[], str]) -> None:
        """Run the command that fills a database's folder.

        One that `load`s what our own code fetched has no network. A `refresh` command has one: it is the way of scans
        whose database our own code cannot fetch.

        Args:
            scan: whose database it is.
            folder: to fill.
            fetched: what to load; None for a refresh.
            stopped: as for `run_job`.

        Raises:
            ScannerMissing: its program is not available.
            ImageUnavailable: neither is its image.
            RefreshFailed: it ended badly, or took too long.
        """
        database = scan.database
        if database is None:
            raise RefreshFailed(f"{scan.name} has no database to refresh")
        with temporary_folder(prefix=REFRESHING, parent=folder.parent) as work:
            job = Job(
                argv=database.load if fetched else database.refresh,
                folder=work,
                environment=database.environment,
                report=work / scan.report,
                report_limit=sys.maxsize,
                timeout=database.timeout,
                bound=bound_of_database(self._limits),
                folders=(work, folder),
            )
            places = [
                Binding("workdir", work, WORK, read_only=False),
                Binding("database", folder, DATABASE, read_only=False),
                *([Binding("fetched", fetched, FETCHED)] if fetched else []),
            ]
            ended = self.launcher.launch(scan, job, places, stopped, network=fetched is None)
        if ended.error:
            raise RefreshFailed(f"refresh of the database of {scan.name}: {mask(ended.error)}")
