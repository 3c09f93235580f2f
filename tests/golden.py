"""Golden files: text that a test compares with what it makes, all refreshed by one command.

    UPDATE_GOLDEN=1 pytest tests/unit

`pytest --update-golden` is the same; `tests/conftest.py` calls the two hooks below.

A test fails when its golden file is absent, so a forgotten one is never silently accepted.
"""

import os
from pathlib import Path

import pytest

REFRESH = "UPDATE_GOLDEN"


def check_golden(path: Path, actual: str) -> None:
    """Compare `actual` with the golden file, or write it there when that was asked for."""
    if os.environ.get(REFRESH):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8")
    assert path.exists(), f"{path} is missing; write it with {REFRESH}=1 pytest"
    assert actual == path.read_text(encoding="utf-8"), f"{path} differs; if that is meant, run {REFRESH}=1 pytest"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden files again instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--update-golden"):
        os.environ[REFRESH] = "1"  # in the environment, so that the workers of pytest-xdist know it too
