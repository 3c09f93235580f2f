"""The reference of the Python API, from the docstrings of the public names."""

from __future__ import annotations

import inspect
import re
from typing import Any

import orchestrator

INTRODUCTION = """# Python API

Everything that `import scanmatrix` promises, and nothing else: other modules may change between versions
([deprecation.md](deprecation.md)). Names are loaded when first used, so the import itself is fast.
"""


def write() -> str:
    """The page as Markdown, with a directive of mkdocstrings for each name."""
    objects = {name: getattr(orchestrator, name) for name in orchestrator.__all__ if not re.match("__", name)}
    sections = {
        "asyncio": [name for name, each in objects.items() if inspect.ismodule(each)],
        "Functions": [name for name, each in objects.items() if inspect.isroutine(each)],
        "Types": [name for name, each in objects.items() if inspect.isclass(each) and not _is_error(each)],
        "Errors": [name for name, each in objects.items() if _is_error(each)],
    }
    rest = set(objects) - {name for names in sections.values() for name in names}
    if rest:
        raise LookupError(f"the Python page has no section for {', '.join(sorted(rest))}")
    lines = [INTRODUCTION]
    for title, names in sections.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _reference(objects[name])
    return "\n".join(lines)


def _reference(each: Any) -> list[str]:
    """A directive of mkdocstrings; the calls of a module are only named, because each is derived from a function."""
    if not inspect.ismodule(each):
        return [f"::: {each.__module__}.{each.__qualname__}", ""]
    calls = ", ".join(f"`{name}`" for name in each.__all__)
    return [f"::: {each.__name__}", "    options:", "      members: false", "", f"It has {calls}.", ""]


def _is_error(each: object) -> bool:
    return inspect.isclass(each) and issubclass(each, Exception)
