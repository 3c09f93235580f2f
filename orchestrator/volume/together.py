"""Small files that become durable together: of many, each one's own fsync takes more than all else that is done for it.

A file appears under its name whole or not at all, as with `atomic_file`, but not before `settle`. A filesystem with a
journal writes it once for all files that wait, so that of these only the first fsync costs anything.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from orchestrator.volume.layout import begin_file, sync_folder

if TYPE_CHECKING:
    from pathlib import Path

#: Files that wait at most: each is open, and locked, until it has its name.
MOST = 64


class _Waiting(NamedTuple):
    temporary: Path
    file: BinaryIO

    def discard(self) -> None:
        with suppress(OSError):  # of what could not be written before
            self.file.close()
        self.temporary.unlink(missing_ok=True)


class FilesTogether:
    """Writes small files; a context manager, because those that wait when it ends are gone: `settle` them before."""

    def __init__(self) -> None:
        self._waiting: dict[Path, _Waiting] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._discard()

    def __contains__(self, path: Path) -> bool:
        """Whether a file of this name waits."""
        return path in self._waiting

    def write(self, path: Path, data: bytes, *, modified: int) -> None:
        """Write a file that has its name once it is settled, which it is when many wait.

        Args:
            path: its name in the end.
            data: what is in it.
            modified: its modification time, seconds since 1970.

        Raises:
            OSError: the volume cannot be written.
        """
        if path in self._waiting or len(self._waiting) >= MOST:
            self.settle()
        waiting = _Waiting(*begin_file(path))
        try:
            waiting.file.write(data)
            waiting.file.flush()
            os.utime(waiting.file.fileno(), (modified, modified))
        except BaseException:
            waiting.discard()
            raise
        self._waiting[path] = waiting

    def settle(self) -> None:
        """Give every file that waits its name.

        Raises:
            OSError: the volume cannot be written; those that have no name yet are gone.
        """
        try:
            for _, file in self._waiting.values():
                os.fsync(file.fileno())
            folders = dict.fromkeys(path.parent for path in self._waiting)
            for path in list(self._waiting):
                self._waiting[path].temporary.replace(path)
                self._waiting.pop(path).file.close()
            for folder in folders:
                sync_folder(folder)
        finally:
            self._discard()

    def _discard(self) -> None:
        while self._waiting:
            self._waiting.popitem()[1].discard()
