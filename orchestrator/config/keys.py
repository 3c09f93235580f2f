"""Where a key stands in the models, and what is known of the value there."""

from __future__ import annotations

import types
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import SecretStr

from orchestrator.config.described import ValueKind
from orchestrator.config.section import Keys, Section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.kit.sources import Location

# The types of values that are text where people write them.
_TEXTS = (str, SecretStr, Path)


@cache
def fields(kind: type[Section]) -> Mapping[str, Any]:
    """Types of a section's values by the key people write."""
    return {
        field.alias or name: Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        for name, field in kind.model_fields.items()
    }


def section_at(kind: Any, location: Location) -> type[Section] | None:
    """The model that describes the mapping at a location; None where there is none (a free mapping, a scalar)."""
    return section_of(type_at(kind, location))


def section_of(kind: Any) -> type[Section] | None:
    """The model among a type's alternatives; None where there is none."""
    return next((each for each in alternatives(kind) if isinstance(each, type) and issubclass(each, Section)), None)


def type_at(kind: Any, location: Location) -> Any:
    """The type of the value at a location; None where that is unknown."""
    for step in location:
        kind = _below(kind, step)
        if kind is None:
            return None
    return kind


def name_type_at(kind: Any, location: Location) -> Any:
    """The type of the name that a free mapping has at a location; None where that is no name of such a mapping."""
    mappings = (each for each in alternatives(type_at(kind, location[:-1])) if get_origin(each) is dict)
    return next((get_args(each)[0] for each in mappings), None)


def alternatives(kind: Any) -> tuple[Any, ...]:
    """A type's alternatives, without `Annotated` and None; the model of its keys for a frozen type."""
    origin = get_origin(kind)
    if origin is Annotated:
        plain, *others = get_args(kind)
        keys = next((each for each in others if isinstance(each, Keys)), None)
        return (keys.section,) if keys else alternatives(plain)
    if origin in {Union, types.UnionType}:
        return tuple(plain for part in get_args(kind) for plain in alternatives(part) if plain is not type(None))
    return (kind,)


def kind_of(kind: Any) -> ValueKind | None:
    """What a type is called where people write it; the outermost word counts."""
    if get_origin(kind) is Annotated:
        plain, *others = get_args(kind)
        return next((each for each in reversed(others) if isinstance(each, ValueKind)), None) or kind_of(plain)
    if get_origin(kind) in {Union, types.UnionType}:
        return next((found for each in get_args(kind) if (found := kind_of(each))), None)
    return None


def is_optional(kind: Any) -> bool:
    """Whether nothing is a value."""
    if get_origin(kind) is Annotated:
        return is_optional(get_args(kind)[0])
    return get_origin(kind) in {Union, types.UnionType} and type(None) in get_args(kind)


def is_text(kind: Any) -> bool:
    """Whether a value may be text where people write it."""
    return any(each in _TEXTS for each in alternatives(kind))


def is_secret(kind: Any) -> bool:
    """Whether values are masked wherever they are shown."""
    return SecretStr in alternatives(kind)


def sections_in(kind: Any) -> tuple[type[Section], ...]:
    """The models anywhere within a type: its own, those of its items, of its values."""
    found: list[type[Section]] = []
    for each in alternatives(kind):
        if isinstance(each, type) and issubclass(each, Section):
            found.append(each)
        found += chain(*map(sections_in, get_args(each)))
    return tuple(found)


def _below(kind: Any, step: str | int) -> Any:
    """The type of one item of a list, or of one key of a mapping or section; None when that is unknown."""
    for part in alternatives(kind):
        if isinstance(step, str) and isinstance(part, type) and issubclass(part, Section):
            return fields(part).get(step)
        arguments = get_args(part)
        if get_origin(part) is dict and isinstance(step, str):
            return arguments[1]
        if get_origin(part) in {tuple, list} and isinstance(step, int):
            return arguments[0]
    return None
