"""Notice any change of a file that a scanner without a sandbox may only read: the tarball is one with the blob."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from orchestrator.kit.trees import walk

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Seal:
    """Watches one file, or all in a folder, for the length of its block.

    On Linux a lease (fcntl(2), F_SETLEASE) makes the kernel hold any process that opens the file for writing, until we
    have ended the scanner. Where there are no leases, what stat(2) says before and after must be the same; of the
    tarball, which is linked and unlinked by other cells meanwhile, without the time of its inode's last change.

    Args:
        path: the file or folder; it is not followed if it is a link.
        linked: whether others make and remove further names of the file.
    """

    def __init__(self, path: Path, *, linked: bool = False) -> None:
        self._path = path
        self._linked = linked
        self._leases: list[int] = []
        self._before: object = None

    def __enter__(self) -> Self:
        self._before = self._look()
        if self._path.is_file():
            self._lease()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self._leases:
            os.close(descriptor)

    def touched(self) -> str:
        """What happened to it so far, as far as the kernel tells, which does not say by whom; cheap."""
        for descriptor in self._leases:
            if fcntl.fcntl(descriptor, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
                return f"it, or another scanner of this target, tried to write to {self._path.name}, which is only read"
        return ""

    def broken(self) -> str:
        """What happened to it, in the end."""
        if reason := self.touched():
            return reason
        return "" if self._look() == self._before else f"it changed {self._path.name}, which is only read"

    def _lease(self) -> None:
        if not hasattr(fcntl, "F_SETLEASE"):
            return
        descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # The signal of a lease that is broken would end us, but for those that are ignored if nobody asks for them.
            fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError:  # a filesystem without leases
            os.close(descriptor)
        else:
            self._leases.append(descriptor)

    def _look(self) -> list[tuple[object, ...]]:
        if self._path.is_dir():
            return sorted(self._describe(entry.relative, entry.status) for entry in walk(self._path))
        with suppress(FileNotFoundError):
            return [self._describe("", self._path.lstat())]
        return []

    def _describe(self, name: str, status: os.stat_result) -> tuple[object, ...]:
        changed = () if self._linked else (status.st_ctime_ns,)
        return (name, status.st_ino, status.st_size, status.st_mtime_ns, *changed)


_F_SETSIG = 10
