"""Reading a report from the folder its scanner could write to: whatever lies there is taken for hostile."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from orchestrator.findings.interface import ReportError, ReportMissingError
from orchestrator.model import Document

_CHUNK = 1024 * 1024
_NO_LINKS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY


class ReportFile(Document, frozen=True):
    """The bytes of a report, and when they were last written.

    Attributes:
        modified: seconds since 1970, as the volume's filesystem says.
    """

    data: bytes
    modified: float


def read_report(path: Path, limit: int, *, root: Path | None = None) -> bytes:
    """Read a report as `read_report_file` does, its bytes only."""
    return read_report_file(path, limit, root=root).data


def read_report_file(path: Path, limit: int, *, root: Path | None = None) -> ReportFile:
    """Read a report without following what a scanner may have put in its place.

    No symbolic link is followed from the cell's folder on, only a regular file is read, opening never waits (for the
    writer of a named pipe), and reading stops at the limit, even when the file grows meanwhile.

    Args:
        path: the report.
        limit: largest size accepted, bytes.
        root: the cell's folder, `path` lies in it; by default the folder that holds the report.

    Raises:
        ReportMissingError: there is nothing of that name.
        ReportError: it is empty, too large, not a regular file, or reached through a link.
    """
    root = path.parent if root is None else root
    try:
        descriptor = _open_below(root, path.relative_to(root).parts)
    except FileNotFoundError as error:
        raise ReportMissingError(f"the scanner wrote no report ({path.name} is missing)") from error
    except OSError as error:
        raise ReportError(_why_not_opened(path, error)) from error
    try:
        return _read(descriptor, path.name, limit)
    except OSError as error:
        raise ReportError(f"{path.name} could not be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    """Open a file folder by folder, so that no component is a link at the moment it is passed."""
    if not parts or ".." in parts:
        raise ReportError(f"{'/'.join(parts)!r} is not a file in the cell's folder")
    folder = os.open(root, _NO_LINKS | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _NO_LINKS | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], _NO_LINKS | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def _why_not_opened(path: Path, error: OSError) -> str:
    with suppress(OSError):
        if path.is_symlink() or path.parent.is_symlink():
            return f"{path.name} is, or lies behind, a symbolic link; a report must be a file of its own"
        if not stat.S_ISREG(path.lstat().st_mode):
            return f"{path.name} is not a regular file"
    return f"{path.name} could not be opened: {error.strerror}"


def _read(descriptor: int, name: str, limit: int) -> ReportFile:
    """Check what was opened, then read it up to the limit."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ReportError(f"{name} is not a regular file")
    if status.st_size > limit:
        raise ReportError(f"the report is too large: {status.st_size:,} bytes, at most {limit:,} are accepted")
    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
        chunks, size = [], 0
        while chunk := file.read(min(_CHUNK, limit + 1 - size)):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                raise ReportError(f"the report is too large: it grew over {limit:,} bytes while it was read")
    if not size:
        raise ReportError("the report is empty")
    return ReportFile(data=b"".join(chunks), modified=status.st_mtime)
