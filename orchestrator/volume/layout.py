"""The shared volume: where everything lies, and how it is written so that a cut-off write leaves nothing behind.

plans/<run>.json
plans/<run>.parts/<number>.json              of a run that came in parts, until all of them have ended
requests/<run>.json                          what was asked for, of runs submitted with a key
running/<run>.json                           who works on a run; gone when it has ended
blobs/<algorithm>-<hex>.tar                  one per image digest, mode 0444; of a repository's commit `git-<hex>.tar`
layers/<algorithm>-<hex>                     which tarball holds a blob, and where in it
databases/<scan>/<version>/                  `databases/<scan>/current` is a symbolic link to the newest
kept/<tool>-<hex>.tar, dir-<hex>.git         copies of images of this machine's tools, and of folders; a week unused
runs/<run>/<target>/<scan>/image.tar         hard link to the blob
runs/<run>/<target>/<scan>/checkout/         the files of a repository, unpacked out of it
runs/<run>/<target>/<scan>/layers/           the files of an image's layers, for a scan that names them (local engine)
runs/<run>/<target>/<scan>/sbom.json         a stored SBOM, for a scan that reads it in place of the image
runs/<run>/<target>/<scan>/report.json       what the scanner wrote
runs/<run>/<target>/<scan>.record.json       what we know of the cell; outside what its scanner can write
runs/<run>/sboms-<number>/<scan>.*           the database and the record of a batch of cells that read SBOMs (cluster)
workers/<worker>/                            what the scanner beside a worker reads (cluster); of one cell, then empty
servers/<worker>-<random>/<scan>-<random>/   of a server that a worker keeps running; removed when the worker has ended
runs/<run>/.lock                             held by a local engine, and while a run is begun or ended
runs/<run>/.reserve                          room for the results, given back when the run ends
sboms/<algorithm>-<hex>/                     what was catalogued of an image, for scans that read it in its place
feeds/                                       what is known of vulnerabilities elsewhere, put there by the operator
results/<run>/ledger.json, findings.*, merged.*, bom.cdx.json, report.html, summary.md
suppression/first-used/<rule>                when an ignore rule without an expiry was first used
results/<run>/notifications/<delivery>.json  the notifications of a run, sent and pending
ages/<hash>.json                             since when findings are known, one for each name of a target and platform
store.sqlite3                                the store, unless another database is configured
store.runs.json                              the last answer of `results list`, and what it rests on
"""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from orchestrator.errors import PermanentError
from orchestrator.model import Distrust
from orchestrator.volume.locks import try_lock

#: How the versions of a database are named, after the moment they were made, UTC; later ones of the same second `-1`, …
VERSION_FORMAT = "%Y%m%dT%H%M%SZ"
#: Mode of what may hold a secret: reports, findings, logs, results, messages. Wider ones are only for what cannot.
PRIVATE = 0o640
#: Mode of what is made to be read by others, such as manifests.
PUBLIC = 0o644
#: In a cell's folder: the link to its target's tarball, and the folders with a repository's files, or an image's.
TARBALL, CHECKOUT, UNPACKED = "image.tar", "checkout", "layers"
#: Where a scanner that a worker keeps running sees its folders, and the one with what its current cell reads.
STANDING = "/scanmatrix"
STANDING_CELL = f"{STANDING}/inputs/cell"
#: In the folder of a cell that reads a stored SBOM in place of its image: that SBOM.
SBOM = "sbom.json"
#: How the names of the folders begin in which the local engine runs the attempts at a cell.
ATTEMPT = "attempt-"
#: Files that `atomic_file` is writing, or was when it was killed.
TEMPORARY = ".*.tmp"
#: The store, unless another database is configured.
STORE = "store.sqlite3"
#: In the folder of a run.
LOCK = ".lock"
#: Beside it: somebody wants the run to end.
CANCEL = ".cancel"
#: File in a cell's folder: how old its image may be, where that differs from the scan's own parameter.
MAX_AGE = "max-age"
#: File in a cell's folder: its scanner was ended, because it took longer than it may.
TIMED_OUT = "timed-out"
#: Names in a cell's folder that no report can have.
TAKEN = frozenset({TARBALL, CHECKOUT, UNPACKED, SBOM, MAX_AGE, TIMED_OUT})
#: How the folders begin that a refresh of a database fills: with what was fetched, and with the new version.
FETCHED, INCOMING = ".fetched-", ".incoming-"
_VERSION = re.compile(r"(\d{8}T\d{6}Z)(?:-\d{1,9})?")
_WRITE = 0o222
_MOST_NAME = 50  # characters: of the 255 bytes that a name may have there must be room for more
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class VolumeError(PermanentError):
    """The volume cannot hold what it was asked to."""


def _safe(part: str) -> str:
    """A path component that cannot leave its folder."""
    if not _SAFE.fullmatch(part):
        raise VolumeError(f"{part!r} cannot be used as a name on the volume")
    return part


def version_time(version: str) -> datetime | None:
    """When a version of a database was made, by its name (`20250102T030405Z`); None for other names."""
    found = _VERSION.fullmatch(version)
    try:
        return datetime.strptime(found[1], VERSION_FORMAT).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def cell_path(run: str, target: str, scan: str) -> str:
    """The folder of a cell, from the volume's root; in a manifest its parts are Argo's expressions."""
    return f"runs/{run}/{target}/{scan}"


def batch_folder(number: str) -> str:
    """Name of the folder, in the place of a target's, of a batch of cells that read stored SBOMs (in a cluster)."""
    return f"sboms-{number}"


def database_link(cell: str) -> str:
    """The link, beside the folder of a cell, to the version of the database that it was given."""
    return f"{cell}.database"


def databases_path(scan: str) -> str:
    """The folder of a scan's databases, from the volume's root."""
    return f"databases/{scan}"


def worker_path(worker: str) -> str:
    """The folder of a worker beside its scanner, from the volume's root."""
    return f"workers/{worker}"


class Volume:
    """Paths on one volume; makes no folder until something is written.

    Attributes:
        root: its folder.
        distrusted: whose results on it are not believed, beside what is built in; see `orchestrator.scanners`.
    """

    def __init__(self, root: Path, *, distrusted: tuple[Distrust, ...] = ()) -> None:
        # Resolved: scanners refuse paths with `..` in them, and so nobody must see another path than we do.
        self.root = root.resolve()
        self.distrusted = distrusted

    def __repr__(self) -> str:
        return f"Volume({str(self.root)!r})"

    def plan(self, run: str) -> Path:
        """The plan's file of a run."""
        return self.root / "plans" / f"{_safe(run)}.json"

    def plan_parts(self, run: str) -> Path:
        """The folder with the parts of a plan, each brought by a Workflow of its own."""
        return self.root / "plans" / f"{_safe(run)}.parts"

    def blob(self, digest: str) -> Path:
        """The tarball of an image digest, or of a repository's commit."""
        return self.root / "blobs" / f"{_safe(digest.replace(':', '-', 1))}.tar"

    @property
    def kept(self) -> Path:
        """Copies of images that tools of this machine keep, and of what came on standard input."""
        return self.root / "kept"

    @property
    def layers(self) -> Path:
        """The folder that tells which tarball holds a blob."""
        return self.root / "layers"

    def databases(self, scan: str) -> Path:
        """The folder of a scan's database versions."""
        return self.root / databases_path(_safe(scan))

    def worker(self, worker: str) -> Path:
        """The folder that the scanner beside a worker reads."""
        return self.root / worker_path(_safe(worker))

    def run(self, run: str) -> Path:
        """The folder of a run's cells."""
        return self.root / "runs" / _safe(run)

    def cell(self, run: str, target: str, scan: str) -> Path:
        """The folder a cell's scanner sees, and nothing else of the volume."""
        return self.root / cell_path(_safe(run), _safe(target), _safe(scan))

    def tarball(self, run: str, target: str, scan: str) -> Path:
        """The cell's link to its target's tarball."""
        return self.cell(run, target, scan) / TARBALL

    def sbom(self, run: str, target: str, scan: str) -> Path:
        """The SBOM that a cell reads in place of its image."""
        return self.cell(run, target, scan) / SBOM

    def checkout(self, run: str, target: str, scan: str) -> Path:
        """The folder with a repository's files, for one cell."""
        return self.cell(run, target, scan) / CHECKOUT

    def unpacked(self, run: str, target: str, scan: str) -> Path:
        """The folder with the files of an image's layers, for one cell of the local engine."""
        return self.cell(run, target, scan) / UNPACKED

    def record(self, run: str, target: str, scan: str) -> Path:
        """The cell's record, outside of the folder its scanner can write to."""
        return self.run(run) / _safe(target) / f"{_safe(scan)}.record.json"

    def request(self, run: str) -> Path:
        """What was asked for, of a run that was submitted with a key."""
        return self.root / "requests" / f"{_safe(run)}.json"

    def lock(self, run: str) -> Path:
        """The file whose lock a local engine holds, and who begins or ends a run in the cluster."""
        return self.run(run) / LOCK

    @property
    def running(self) -> Path:
        """The folder that says who works on which runs."""
        return self.root / "running"

    def claim(self, run: str, part: str = "") -> Path:
        """The file that says who works on a run, or on a part of it; no name has the `@` in it."""
        return self.running / f"{_safe(run)}{f'@{_safe(part)}' if part else ''}.json"

    def reserve(self, run: str) -> Path:
        """The file that keeps room for the results of a run."""
        return self.run(run) / ".reserve"

    @property
    def servers(self) -> Path:
        """The folder of the servers that workers keep running."""
        return self.root / "servers"

    @property
    def all_sboms(self) -> Path:
        """The folder of stored SBOMs; see `orchestrator.volume.sboms`."""
        return self.root / "sboms"

    def sboms(self, digest: str) -> Path:
        """The folder of the SBOMs of an image's platform."""
        return self.all_sboms / _safe(digest.replace(":", "-", 1))

    @property
    def deletions(self) -> Path:
        """The folder that says which results somebody deleted."""
        return self.root / "deletions"

    def deletion(self, target: str) -> Path:
        """The file that says so of a target."""
        return self.deletions / f"{_safe(target)}.json"

    def feed(self, name: str) -> Path:
        """A file that somebody else wrote of vulnerabilities (EPSS, KEV), and that policies ask for."""
        return self.root / "feeds" / _safe(name)

    @property
    def suppression(self) -> Path:
        """The folder of what is remembered about ignore rules."""
        return self.root / "suppression"

    def results(self, run: str) -> Path:
        """The folder of a run's results."""
        return self.root / "results" / _safe(run)

    def ages(self, reference: str, platform: str) -> Path:
        """The file that tells since when findings are known under this name of a target."""
        digest = hashlib.sha256(f"{reference}\n{platform}".encode("utf-8", "surrogatepass")).hexdigest()
        return self.root / "ages" / f"{digest[:32]}.json"


@contextmanager
def atomic_file(path: Path, *, mode: int = PRIVATE, last: bool = True, lasting: bool = True) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when whole: temporary name, fsync, rename, fsync of the folder.

    When the block raises, nothing is left. The temporary name is hidden (`.<name>.<random>.tmp`) and beside the
    final one, so that the rename stays within one filesystem. It is locked while it is written: one that is not is of
    a process that was killed, and goes (`orchestrator.upkeep.leftovers.clear_unfinished`).

    Args:
        path: its name in the end.
        mode: the most it is open to; the user's umask takes away from it, but from what nobody may write to: tarballs
            and databases are read by scanners of other users.
        last: False where others follow in the same folder, which is made durable (`sync_folder`) when all are there.
        lasting: False for what is made again after a power cut anyway: nobody waits for the disk.
    """
    temporary, file = begin_file(path, mode)
    try:
        with file:
            yield file
            file.flush()
            if not mode & _WRITE:
                os.fchmod(file.fileno(), mode)
            if lasting:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if last and lasting:
        sync_folder(path.parent)


def begin_file(path: Path, mode: int = PRIVATE) -> tuple[Path, BinaryIO]:
    """The temporary name of a file as `atomic_file` writes it, and the file, open and locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:_MOST_NAME]}.{secrets.token_hex(8)}.tmp")
    # The kernel lays the umask over the mode: nobody can ask for the umask without changing it for a moment.
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with suppress(OSError):
        try_lock(descriptor)
    return temporary, os.fdopen(descriptor, "w+b")


def write_atomic(path: Path, data: bytes, *, mode: int = PRIVATE) -> None:
    """Write a whole file by temporary name, fsync and rename; see `atomic_file`."""
    with atomic_file(path, mode=mode) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make renames in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
