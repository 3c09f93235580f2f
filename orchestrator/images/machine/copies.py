"""Copies of images that this machine has, on the volume: made once, and removed a week after they were last used."""

from __future__ import annotations

import io
import os
import secrets
import select
import sys
import threading
import time
from hashlib import sha256
from typing import IO, TYPE_CHECKING

from orchestrator.errors import Cancelled
from orchestrator.images.machine.docker import docker
from orchestrator.images.machine.interface import NoSuchImageError
from orchestrator.images.machine.programs import Containerd, ProgramKeeper
from orchestrator.kit.quantities import spell_size
from orchestrator.net.errors import ArchiveError
from orchestrator.volume.kept import remove_unused
from orchestrator.volume.layout import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.images.machine.interface import ImageKeeper
    from orchestrator.images.reference import Reference

#: The tools by their names, in the order in which an image is looked for where nobody names one.
KEEPERS: dict[str, Callable[[], ImageKeeper]] = {
    "docker": docker,
    "podman": lambda: ProgramKeeper("podman"),
    "containerd": Containerd,
}
_CHUNK = 1 << 20
#: Seconds for a program to write its next byte; a large image is put together before it comes.
_PATIENCE = 300.0
#: Seconds between two looks at whether anybody still waits.
_LOOK = 0.5


class MachineImages:
    """Copies images out of tools, and from standard input.

    Args:
        folder: for the copies.
        limit: most bytes of one; 0 for no limit.
        cancelled: ends all copying.
    """

    def __init__(self, folder: Path, limit: int = 0, cancelled: threading.Event | None = None) -> None:
        self._folder, self._limit = folder, limit or sys.maxsize
        self._cancelled = cancelled or threading.Event()

    def copy(self, reference: Reference, tool: str) -> Path:
        """The archive of an image that a tool keeps; not copied again while it is the same.

        Raises:
            NoSuchImageError: it has none of this name, is not here, or does not answer.
            ArchiveError: the tool has it, but it does not come whole, or is larger than the limit.
            Cancelled: nobody wants it any more.
        """
        keeper = KEEPERS[tool]()
        image = keeper.find(reference)
        path = self._folder / f"{tool}-{image.digest}.tar"
        if path.is_file():
            os.utime(path)
            return path
        remove_unused(self._folder)
        try:
            with atomic_file(path) as file:
                with keeper.export(image) as stream:
                    self._copy(stream, file, f"{tool}: {reference}", _PATIENCE)
                moved = keeper.find(reference).digest != image.digest
                if moved:
                    raise ArchiveError(f"{tool}: {reference} became another image while it was copied; try again")
        except NoSuchImageError as error:
            # The tool has it: what another place has under this name is another image.
            raise ArchiveError(str(error)) from error
        return path

    def read_stdin(self) -> Path:
        """The archive that comes on standard input.

        Raises:
            ArchiveError: nothing comes, or more than the limit.
            Cancelled: nobody wants it any more.
        """
        stream = getattr(sys.stdin, "buffer", None)
        if stream is None or stream.isatty():
            raise ArchiveError(
                "-: nothing comes on standard input; pipe an archive: `docker save IMAGE | scanmatrix …`"
            )
        remove_unused(self._folder)
        first = self._folder / f"stdin-{secrets.token_hex(8)}.tar"
        with atomic_file(first) as file:
            digest = self._copy(getattr(stream, "raw", stream), file, "-", sys.maxsize)
        return first.replace(self._folder / f"stdin-{digest}.tar")

    def _copy(self, stream: IO[bytes], file: IO[bytes], name: str, patience: float) -> str:
        """Copy all of it; its digest."""
        state, size = sha256(), 0
        while data := self._read(stream, name, patience):
            size += len(data)
            if size > self._limit:
                raise ArchiveError(f"{name}: is larger than {spell_size(self._limit)}, the volume's whole budget")
            state.update(data)
            try:
                file.write(data)
            except OSError as error:
                raise ArchiveError(f"{name}: cannot be copied to {self._folder}: {error.strerror or error}") from error
        if not size:
            raise ArchiveError(f"{name}: is empty; nothing came")
        return state.hexdigest()

    def _read(self, stream: IO[bytes], name: str, patience: float) -> bytes:
        """What comes next. A pipe keeps nobody waiting who was interrupted; other streams have bounds of their own."""
        end = time.monotonic() + patience
        while not self._cancelled.is_set():
            if not isinstance(stream, io.FileIO) or select.select([stream], [], [], _LOOK)[0]:
                return stream.read(_CHUNK)
            if time.monotonic() > end:
                raise ArchiveError(f"{name}: nothing came for {patience:g} seconds; see whether the tool still works")
        raise Cancelled(f"{name}: not copied, since nobody waits for it any more")
