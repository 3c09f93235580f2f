"""Files of exports: where the user wants them, whole or not at all."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.exports.interface import ExportRefusedError
from orchestrator.volume.layout import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from orchestrator.results.run import RunResults


def place(results: RunResults, to: str, name: str) -> Path:
    """Where a file belongs: where the user says, else under its usual name in the run's results folder."""
    return Path(to).expanduser().absolute() if to else results.folder / name


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears whole or not at all.

    Raises:
        ExportRefusedError: it cannot be written there.
    """
    try:
        with atomic_file(path) as file:
            yield file
    except OSError as error:
        reason = (error.strerror or "it cannot be written").lower()
        raise ExportRefusedError(f"{path}: {reason}; name a file in a folder that can be written") from error
