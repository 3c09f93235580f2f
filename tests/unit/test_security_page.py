"""Each promise of SECURITY.md names a test, and that test exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))


def test_promises_name_their_tests() -> None:
    assert len(NAMED) > 20


@pytest.mark.parametrize(("file", "test"), NAMED, ids=lambda part: part or "whole")
def test_the_test_is_there(file: str, test: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^\s*def {test or 'test_'}", text, re.MULTILINE), f"{file} has no {test or 'test'}"
