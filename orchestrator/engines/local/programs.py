"""Programs of this machine: where a scan's program is, and how to get one that is not there."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.argo.agreed import PROGRAM
from orchestrator.errors import PermanentError
from orchestrator.model import Scan


class ScannerMissing(PermanentError):  # noqa: N818 - the name says what happened
    """A scan's program is not available here; the message says how to get it."""


def find_program(name: str) -> str | None:
    """Where a program is here; templates name it by its path in the scanner's image, which is only a name for us."""
    return shutil.which(name, path=search_path()) or shutil.which(Path(name).name, path=search_path())


def search_path() -> str:
    """PATH, and after it the folder of our own interpreter: what is installed beside us is found without `activate`."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def local_command(command: Sequence[str]) -> tuple[str, ...]:
    """The command line with the program as it is to be started here; our own is always of this very version."""
    program, *arguments = command
    if program == PROGRAM:
        return (sys.executable, "-I", "-m", "orchestrator.steps", *arguments)
    return (find_program(program) or program, *arguments)


def not_found(scan: Scan) -> str:
    """That the scan's program is not on PATH, and how to get it there."""
    how = f"install it with {scan.install}" if scan.install else f"put it onto PATH, it comes with {scan.image}"
    return f"{Path(scan.program).name} not found; {how}"
