"""Golden files: text that a test compares with what it makes, all refreshed by one command.

    pytest tests/unit --update-golden        # the same as UPDATE_GOLDEN=1 in the environment

A test fails when its golden file is absent, so a forgotten one is never silently accepted.
"""

import os
from pathlib import Path

REFRESH = "UPDATE_GOLDEN"


def check_golden(path: Path, actual: str) -> None:
    """Compare `actual` with the golden file, or write it there when that was asked for."""
    if os.environ.get(REFRESH):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8")
    assert path.exists(), f"{path} is missing; write it with pytest --update-golden"
    assert actual == path.read_text(encoding="utf-8"), f"{path} differs; if that is meant, run pytest --update-golden"
