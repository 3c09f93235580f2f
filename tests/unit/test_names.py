"""One name for each thing: no two public classes are called the same."""

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: By its line, which takes a hundredth of the time of parsing every file.
_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)


@cache
def classes() -> dict[str, list[str]]:
    """Where each class of a module stands."""
    places: dict[str, list[str]] = defaultdict(list)
    for folder in ("orchestrator", "workflows"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            for found in _CLASS.finditer(text):
                line = text.count("\n", 0, found.start()) + 1
                places[found[1]].append(f"{path.relative_to(ROOT)}:{line}")
    return dict(places)


def test_each_public_class_has_a_name_of_its_own() -> None:
    public = {name: found for name, found in classes().items() if not name.startswith("_")}
    assert len(public) > 400
    assert {name: found for name, found in public.items() if len(found) > 1} == {}
