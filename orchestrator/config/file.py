"""What the file of the configuration is called, and which one of a folder holds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG_FILE = "scanmatrix.yaml"
_OTHER = "scanmatrix.yml"
#: Names by which it is found.
CONFIG_FILES = (CONFIG_FILE, _OTHER)


def find_config(folder: Path) -> Path | None:
    """The configuration of a folder, whether it can be read or not; None where there is none.

    Raises:
        UsageError: there are two, of which nobody can tell which one is meant.
    """
    # A link that leads nowhere is one too: it was meant to be read.
    found = [path for name in CONFIG_FILES if os.path.lexists(path := folder / name)]
    if len(found) > 1:
        raise UsageError(
            f"{CONFIG_FILE} and {_OTHER} are both in {folder.absolute()}: remove or rename one of them, or name the one"
            " you mean with --config"
        )
    return found[0] if found else None
