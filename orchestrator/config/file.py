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
        UsageError: there are two, of which nobody can tell which one is meant, or it is a pipe or a device, which only
            --config may name.
    """
    # A link that leads nowhere is one too: it was meant to be read.
    found = [path for name in CONFIG_FILES if os.path.lexists(path := folder / name)]
    if len(found) > 1:
        raise UsageError(
            f"{CONFIG_FILE} and {_OTHER} are both in {folder.absolute()}: remove or rename one of them, or name the one"
            " you mean with --config"
        )
    if found and found[0].exists() and not (found[0].is_file() or found[0].is_dir()):
        raise UsageError(f"{found[0].name} is neither a file nor a link to one: rename it, or name it with --config")
    return found[0] if found else None
