"""One cell on this machine: stage its tarball, run its scanner, keep its report; again where that may help."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.engines.local.process import Ended
from orchestrator.engines.local.scanners import CellInputs, Scanners
from orchestrator.engines.stop import Stop
from orchestrator.errors import ScanmatrixError, may_help_again
from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.kit.removal import remove_quietly
from orchestrator.kit.umask import umask
from orchestrator.model import Cell, CellRecord, Plan, Scan
from orchestrator.steps.stage import stage
from orchestrator.steps.stage_sbom import stage_sbom
from orchestrator.upkeep.databases import pinned
from orchestrator.volume.layout import ATTEMPT, PRIVATE, Volume
from orchestrator.volume.records import Records, now

#: Seconds before the second attempt; doubled before each further one.
BACKOFF = 1.0


class AttemptLostError(ScanmatrixError):
    """The cell is somebody else's by now: neither report nor record of this attempt is kept."""


class CellRunner:
    """Runs cells of one plan; safe to be called from several threads, for different cells.

    Args:
        plan: of the run.
        volume: where it lies.
        scanners: start the scanners.
        stop: of the run.
        client: reads registries; by default one is made when it is needed.
        confirm: whether the cell is still ours, asked before anything of an attempt is kept.
    """

    def __init__(
        self,
        plan: Plan,
        volume: Volume,
        scanners: Scanners,
        stop: Stop,
        client: RegistryClient | None = None,
        *,
        confirm: Callable[[], bool] = lambda: True,
    ) -> None:
        self._plan = plan
        self._volume = volume
        self._client = client
        self._scanners = scanners
        self._stop = stop
        self._confirm = confirm
        self._scans = {scan.name: scan for scan in plan.scans}
        self._records = Records(volume, plan.run)

    def record(self, cell: Cell) -> CellRecord:
        """What is known of the cell; an empty record when nothing is."""
        return self._records.look(cell.target, cell.scan).record

    def fail(self, cell: Cell, error: str) -> CellRecord:
        """Record that the cell's scanner could not be started, and why."""
        return self._records.fail(cell.target, cell.scan, error)

    def run(self, cell: Cell) -> CellRecord:
        """Run the cell to its end, successful or not.

        Temporary failures (a scanner killed from outside, a registry that fails while the tarball is pulled again)
        are tried again, `scan.retries` times; others fail the cell at once.

        Raises:
            AttemptLostError: it is somebody else's by now.
            OSError: not even the cell's record can be written.
        """
        scan = self._scans[cell.scan]
        for retry in range(scan.retries + 1):
            if reason := self._stop.reason():
                return self.fail(cell, reason)
            ended = self._attempt(cell, scan)
            if not self._confirm():
                raise AttemptLostError(f"{cell.id} is another one's by now")
            record = self._records.write(
                cell.target,
                cell.scan,
                self.record(cell),
                finished=now(),
                error=ended.error,
                exit_code=ended.exit_code,
                log=ended.log,
                isolation=ended.isolation,
            )
            if not ended.temporary or retry == scan.retries or self._stop.wait(BACKOFF * 2**retry):
                break
        return record

    def _attempt(self, cell: Cell, scan: Scan) -> Ended:
        """One attempt; whatever happens to it, foreseen or not, is in what it returns."""
        try:
            with guarded(f"scanning {self._plan.targets_by_id[cell.target].reference} with {scan.name}"):
                return self._scan(cell, scan)
        except (ScanmatrixError, OSError) as error:
            return Ended(error=self._stop.reason() or in_words(error), temporary=may_help_again(error))

    def _scan(self, cell: Cell, scan: Scan) -> Ended:
        """Stage, scan, and keep the report.

        Raises:
            ScanmatrixError: the cell failed.
            OSError: the volume did.
        """
        if cell.source is not None:
            return self._match(cell, scan)
        folder = self._volume.cell(self._plan.run, cell.target, cell.scan)
        tarball = self._volume.tarball(self._plan.run, cell.target, cell.scan)
        checkout = self._volume.checkout(self._plan.run, cell.target, cell.scan)
        launcher = self._scanners.launcher
        layers = launcher.layers or self._volume.unpacked(self._plan.run, cell.target, cell.scan)
        record = stage(
            self._plan,
            cell.target,
            cell.scan,
            self._volume,
            client=self._client,
            cancelled=self._stop.event,
            in_image=not launcher.is_process(scan),
            layers=launcher.layers,
        )
        work = _fresh_folder(folder, record.attempts)
        try:
            target = self._plan.targets_by_id[cell.target]
            attempt = CellInputs(
                work,
                target,
                tarball,
                self._database(cell, scan),
                checkout if target.is_repository and not cell.online else None,
                cell.online,
                layers if scan.reads_layers and not target.is_repository else None,
            )
            return self._launch(scan, attempt, folder)
        finally:
            # The blob is the one copy on the volume; where links are refused, this one would be another.
            tarball.unlink(missing_ok=True)
            remove_quietly(checkout)
            remove_quietly(layers)
            remove_quietly(work)

    def _match(self, cell: Cell, scan: Scan) -> Ended:
        """The same, of a cell that reads a stored SBOM.

        Raises:
            ScanmatrixError: the cell failed.
            OSError: the volume did.
        """
        folder = self._volume.cell(self._plan.run, cell.target, cell.scan)
        sbom = self._volume.sbom(self._plan.run, cell.target, cell.scan)
        in_image = not self._scanners.launcher.is_process(scan)
        record = stage_sbom(self._plan, cell, self._volume, in_image=in_image)
        work = _fresh_folder(folder, record.attempts)
        try:
            target = self._plan.targets_by_id[cell.target]
            attempt = CellInputs(work, target, sbom, self._database(cell, scan), sbom=True)
            return self._launch(scan, attempt, folder)
        finally:
            remove_quietly(sbom)
            remove_quietly(work)

    def _launch(self, scan: Scan, attempt: CellInputs, folder: Path) -> Ended:
        """Run the scanner of an attempt, and keep its report in the cell's folder."""
        ended = self._scanners.run(scan, attempt, self._stop.reason)
        if not ended.error and not self._confirm():
            return replace(ended, error="another one's by now")
        error = ended.error or _keep_report(attempt.work / scan.report, folder / scan.report, scan.report_limit)
        return replace(ended, error=error)

    def _database(self, cell: Cell, scan: Scan) -> Path | None:
        """The very version the cell was given: a refresh meanwhile makes another one current."""
        return pinned(self._volume, self._plan.run, cell.target, cell.scan).resolve() if scan.database else None


def _fresh_folder(folder: Path, attempt: int) -> Path:
    """An empty folder for one attempt; those of attempts that were cut off go, even if something still writes there."""
    for left in folder.glob(f"{ATTEMPT}*"):
        remove_quietly(left)
    work = folder / f"{ATTEMPT}{attempt}"
    work.mkdir(mode=0o700)
    return work


def _keep_report(written: Path, final: Path, limit: int) -> str:
    """Give a report its final name, once it is on the disk; why it cannot be one, otherwise.

    What lies there is a stranger's: links are not followed, and only a regular file will do.
    """
    try:
        descriptor = os.open(written, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"it ended well, but wrote no report {written.name} ({error.strerror})"
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return f"its report {written.name} is not a regular file"
        if status.st_nlink > 1:
            return f"its report {written.name} is a hard link: the file has other names, which are not the scanner's"
        if status.st_size > limit:
            return f"its report grew over the limit of {limit} bytes"
        os.fchmod(descriptor, PRIVATE & ~umask())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    remove_quietly(final)
    written.rename(final)
    return ""
