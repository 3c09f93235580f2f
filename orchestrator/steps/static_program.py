"""The static program of our image, which runs scanners in their own images."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.argo.sbom_loop import PROGRAM_NAME
from orchestrator.errors import PermanentError


def find_program() -> Path:
    """Where it is.

    Raises:
        PermanentError: our image has none.
    """
    found = shutil.which(PROGRAM_NAME)
    if found is None:
        raise PermanentError(
            f"there is no {PROGRAM_NAME} in the image of scanmatrix, which runs one scanner after the other in a pod:"
            " build it as argo-install/Dockerfile says"
        )
    return Path(found)


def put_program(folder: Path) -> None:
    """Put it into a folder of a pod.

    Raises:
        PermanentError: our image has none.
    """
    shutil.copyfile(find_program(), folder / PROGRAM_NAME)
    (folder / PROGRAM_NAME).chmod(0o755)
