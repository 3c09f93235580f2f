"""Copies of images that this machine has, on the volume: made once, and removed a week after they were last used."""

from __future__ import annotations

import os
import secrets
import sys
from hashlib import sha256
from typing import IO, TYPE_CHECKING

from orchestrator.images.machine.docker import docker
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


class MachineImages:
    """Copies images out of tools, and from standard input.

    Args:
        folder: for the copies.
        limit: most bytes of one; 0 for no limit.
    """

    def __init__(self, folder: Path, limit: int = 0) -> None:
        self._folder, self._limit = folder, limit or sys.maxsize

    def copy(self, reference: Reference, tool: str) -> Path:
        """The archive of an image that a tool keeps; not copied again while it is the same.

        Raises:
            NoSuchImageError: it has none of this name, is not here, or does not answer.
            ArchiveError: it is larger than the limit.
        """
        keeper = KEEPERS[tool]()
        image = keeper.find(reference)
        path = self._folder / f"{tool}-{image.digest}.tar"
        if path.is_file():
            os.utime(path)
            return path
        remove_unused(self._folder)
        with atomic_file(path) as file, keeper.export(image) as stream:
            self._copy(stream, file, f"{tool}: {reference}")
        return path

    def read_stdin(self) -> Path:
        """The archive that comes on standard input.

        Raises:
            ArchiveError: nothing comes, or more than the limit.
        """
        stream = getattr(sys.stdin, "buffer", None)
        if stream is None or stream.isatty():
            raise ArchiveError(
                "-: nothing comes on standard input; pipe an archive: `docker save IMAGE | scanmatrix …`"
            )
        remove_unused(self._folder)
        first = self._folder / f"stdin-{secrets.token_hex(8)}.tar"
        with atomic_file(first) as file:
            digest = self._copy(stream, file, "-")
        return first.replace(self._folder / f"stdin-{digest}.tar")

    def _copy(self, stream: IO[bytes], file: IO[bytes], name: str) -> str:
        """Copy all of it; its digest."""
        state, size = sha256(), 0
        while data := stream.read(_CHUNK):
            size += len(data)
            if size > self._limit:
                raise ArchiveError(f"{name}: is larger than {spell_size(self._limit)}, the volume's whole budget")
            state.update(data)
            file.write(data)
        if not size:
            raise ArchiveError(f"{name}: is empty; nothing came")
        return state.hexdigest()
