"""The reference of the Python API, from the docstrings of the public names."""

from __future__ import annotations

import inspect
import re

import orchestrator

INTRODUCTION = """# Python API

Everything that `import scanmatrix` promises, and nothing else: other modules may change between versions
([deprecation.md](deprecation.md)). Names are loaded when first used, so the import itself is fast.
"""


def write() -> str:
    """The page as Markdown, with a directive of mkdocstrings for each name."""
    objects = {name: getattr(orchestrator, name) for name in orchestrator.__all__ if not re.match("__", name)}
    sections = {
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
            home = objects[name].__module__
            lines += [f"::: {home}.{objects[name].__qualname__}", ""]
    return "\n".join(lines)


def _is_error(each: object) -> bool:
    return inspect.isclass(each) and issubclass(each, Exception)
