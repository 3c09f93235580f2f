"""Where a configuration most likely has its volume, found without what it takes to read a configuration.

Only good for finding what was remembered there (`orchestrator.queries.remembered`), which says itself whether it holds:
anybody who needs to know the volume asks `orchestrator.config.loading`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Folder of the volume where none is configured.
FOLDER = "scanmatrix-data"
_VARIABLE = "SCANMATRIX_VOLUME__PATH"
# More is in no file that people write, and not worth looking through.
_MOST = 1 << 20
_SECTION = re.compile(
    r"^volume:[ ]*(?:\{(?P<flow>[^}\n]*)\}.*|(?:#.*)?(?P<block>(?:\n(?:[ ]+.*|#.*)?)*))$", re.MULTILINE
)
_PATH = r"[ ]*path:[ ]+(?P<quote>[\"']?)(?P<path>[^\s\"',#][^\"',#\n]*?)(?P=quote)[ ]*(?:[,#].*)?$"
_IN_FLOW, _IN_BLOCK = (re.compile(begin + _PATH, re.MULTILINE) for begin in ("(?:^|,)", "^"))


def likely_volume(path: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The folder that `volume.path` names, if the configuration is right; None where that is not plain to see.

    Args:
        path: of the configuration's file; None where there is none.
        environment: of the process.
    """
    base = Path.cwd() if path is None else path.absolute().parent
    try:
        named = environment.get(_VARIABLE) or (FOLDER if path is None else _written(path))
        return base / Path(named).expanduser() if named else None
    except (OSError, RuntimeError, UnicodeDecodeError):  # a file that cannot be read, or nobody's home
        return None


def _written(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        text = file.read(_MOST)
    section = _SECTION.search(text)
    if section is None:
        return FOLDER
    flow, block = section["flow"], section["block"]
    found = _IN_BLOCK.search(block or "") if flow is None else _IN_FLOW.search(flow)
    return found["path"] if found else FOLDER
