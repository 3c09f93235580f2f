"""`scanmatrix.lock`: the digest that stands for the image of each scan; a file of ours beside the configuration.

It is JSON, one entry for each scan by name in alphabetical order, and the same as long as nothing changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import UsageError
from orchestrator.kit.advice import ours
from orchestrator.kit.digests import DIGEST
from orchestrator.model import Document
from orchestrator.model.documents import DocumentError, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LOCK = "scanmatrix.lock"
#: Version of the file's layout.
SCHEMA = 1
_MOST = 4 * 1024 * 1024


class LockFileError(UsageError):
    """`scanmatrix.lock` cannot be used as it is; the message says what to do."""


class Locked(Document, frozen=True):
    """What is locked of one scan.

    Attributes:
        image: its scanner's image as the template names it; another name there makes the entry stale.
        digest: of the index, or of the manifest of an image without one; what runs.
        platforms: digest of the manifest of each platform.
        resolved: when the digest was looked up, RFC 3339 in UTC.
        signer: who signed the image, as `scanmatrix lock` verified; empty where its template names nobody.
    """

    image: str
    digest: str
    platforms: dict[str, str] = msgspec.field(default_factory=dict)
    resolved: str = ""
    signer: str = ""

    @property
    def reference(self) -> str:
        """The image by name and digest, as containers are started from it."""
        return self.image if "@" in self.image else f"{self.image}@{self.digest}"

    @property
    def digests(self) -> tuple[str, ...]:
        """Every digest by which it may be known."""
        return tuple(dict.fromkeys((self.digest, *self.platforms.values())))


class LockChange(Document, frozen=True):
    """What became of one scan in the lock file.

    Attributes:
        what: `new`, `moved` (its tag stands for another image now), `renamed` (its template names another image),
            `gone` (there is no such scan any more), `signed` (somebody else signed it), or `same`.
        before: the digest so far; empty for none.
        now: the digest since; empty for none.
        signer: who signed it; empty where the template names nobody who should have.
    """

    scan: str
    what: str
    image: str = ""
    before: str = ""
    now: str = ""
    signer: str = ""


class LockFile(Document, frozen=True):
    """The whole file.

    Attributes:
        schema: version of its layout.
        scans: what is locked, by the name of the scan.
    """

    schema: int
    scans: dict[str, Locked]


def read_lock(folder: Path) -> LockFile | None:
    """The lock file of a configuration; None where there is none.

    Args:
        folder: that of the configuration.

    Raises:
        LockFileError: it is damaged, from a newer version, or holds what is not a digest.
    """
    path = folder / LOCK
    try:
        with path.open("rb") as file:
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > _MOST:
        raise LockFileError(f"{path}: larger than {_MOST} bytes; make it again with {ours('lock')}")
    try:
        found = decode(data, LockFile, origin=str(path))
    except DocumentError as error:
        raise LockFileError(f"{error}; make it again with {ours('lock')}") from error
    if found.schema != SCHEMA:
        raise LockFileError(
            f"{path}: of version {found.schema}, this scanmatrix knows {SCHEMA}: use the one that made it"
        )
    for name, entry in found.scans.items():
        _check(path, name, entry)
    return found


def spell_lock(lock: LockFile) -> bytes:
    """The file's bytes: the same entries always give the same bytes."""
    ordered = msgspec.structs.replace(lock, scans=dict(sorted(lock.scans.items())))
    return msgspec.json.format(encode(ordered), indent=2) + b"\n"


def stale(lock: LockFile, images: Iterable[tuple[str, str]]) -> list[str]:
    """What is locked for another image than the scan has now, a sentence each.

    Args:
        lock: the lock file.
        images: scans with their images, as their templates name them.
    """
    return [
        f"scan {name!r} is locked as {lock.scans[name].image}, but its template names {image}:"
        f" run {ours('lock', '--update', name)}"
        for name, image in images
        if name in lock.scans and lock.scans[name].image != image
    ]


def _check(path: Path, name: str, entry: Locked) -> None:
    for digest in entry.digests:
        if not DIGEST.fullmatch(digest):
            raise LockFileError(f"{path}: scan {name!r}: {digest[:80]!r} is not a digest; run {ours('lock')}")
    _, at, written = entry.image.partition("@")
    if at and written not in entry.digests:
        raise LockFileError(
            f"{path}: scan {name!r}: its image names another digest than {entry.digest}; run {ours('lock')}"
        )
