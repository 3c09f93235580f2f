"""The reference of the Python API, from the docstrings of the public names and of the types that they return."""

from __future__ import annotations

import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

import orchestrator
from orchestrator.model.written import Written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

INTRODUCTION = """# Python API

Everything that `import scanmatrix` promises: other modules may change between versions
([versions and deprecations](deprecation.md)). Names are loaded when first used, so the import itself is fast.
"""
RETURNED = """## Returned types

What the functions and methods above return. Use their attributes; import none of them, their modules may change.
"""


def write() -> str:
    """The page as Markdown, with a directive of mkdocstrings for each name."""
    objects = [getattr(orchestrator, name) for name in orchestrator.__all__ if name != "__version__"]
    sections = {
        "## asyncio\n": [each for each in objects if inspect.ismodule(each)],
        "## Functions\n": [each for each in objects if inspect.isroutine(each)],
        "## Types\n": [each for each in objects if inspect.isclass(each) and not _is_error(each)],
        "## Errors\n": [each for each in objects if _is_error(each)],
    }
    if rest := [each for each in objects if not any(each in known for known in sections.values())]:
        raise LookupError(f"the Python page has no section for {rest}")
    sections[RETURNED] = sorted(
        returned(each for each in objects if not inspect.ismodule(each)), key=lambda each: each.__qualname__
    )
    lines = [INTRODUCTION]
    for title, some in sections.items():
        lines += [title, *(line for each in some for line in _directive(each))]
    return "\n".join(lines)


def members(each: type) -> list[str]:
    """Names of a class's public methods and properties, inherited ones too, and of fields that its docstring lacks."""
    classes = [base for base in each.__mro__ if base.__module__.startswith("orchestrator.")]
    found = {name: member for base in classes for name, member in _source(base).members.items()}
    described = {name for base in classes for name in re.findall(r"^\s+(\w+): ", base.__doc__ or "", re.MULTILINE)}
    public = {name: member for name, member in found.items() if member.is_public and not member.is_alias}
    return [name for name, each in public.items() if name not in described and (each.is_attribute or each.docstring)]


def returned(objects: Iterable[type]) -> set[type]:
    """The project's types that are met by calling these and reading attributes of the results, beyond these."""
    first = set(objects)
    met = set(first)
    waiting = list(met)
    while waiting:
        each = waiting.pop()
        for other in _types_in(each):
            if other not in met:
                met.add(other)
                waiting.append(other)
    return met - first


def _types_in(each: type) -> Iterator[type]:
    """Types of what a function returns, or of the attributes of a class and of what its methods return."""
    source = _source(each)
    if source.is_function:
        yield from _named(source.returns)
        return
    for member in source.members.values():
        if member.is_alias or not member.is_public:
            continue
        if member.is_function:
            yield from _named(member.returns)
        elif each is not orchestrator.Config:  # its sections are the page of the configuration
            yield from _named(member.annotation)


def _named(annotation: str | griffe.Expr | None) -> Iterator[type]:
    for part in annotation.iterate(flat=True) if isinstance(annotation, griffe.Expr) else ():
        if isinstance(part, griffe.ExprName) and part.canonical_path.startswith("orchestrator."):
            found = pkgutil.resolve_name(part.canonical_path)
            if inspect.isclass(found) and found is not Written:  # the last says how a field is spelt in YAML
                yield found


def _source(each: type) -> griffe.Object:
    return _module(each.__module__)[each.__qualname__]


@cache
def _module(name: str) -> griffe.Module:
    path = Path(pkgutil.resolve_name(name).__file__)
    return griffe.visit(name, filepath=path, code=path.read_text(encoding="utf-8"))


def _directive(each: type | ModuleType) -> Iterator[str]:
    """The calls of a module are only named, because each is derived from a function."""
    if inspect.ismodule(each):
        calls = ", ".join(f"`{name}`" for name in each.__all__)
        yield from (f"::: {each.__name__}", "    options: {members: false}", "", f"It has {calls}.", "")
        return
    yield f"::: {each.__module__}.{each.__qualname__}"
    if inspect.isclass(each) and (names := members(each)):
        shown = f"[{', '.join(names)}]"
        yield f"    options: {{members: {shown}, inherited_members: {shown}, show_if_no_docstring: true}}"
    yield ""


def _is_error(each: object) -> bool:
    return inspect.isclass(each) and issubclass(each, Exception)
