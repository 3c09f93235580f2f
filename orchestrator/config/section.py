"""Human-written YAML against pydantic models: camelCase keys, unknown ones refused, every mistake at its line."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from orchestrator.kit.yaml_source import Location, Problem, Source, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails


class Section(BaseModel):
    """Base of all that people write as YAML: frozen, camelCase keys, unknown keys refused, values masked in errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, hide_input_in_errors=True
    )


S = TypeVar("S", bound=Section)


def validate(kind: type[S], source: Source) -> tuple[S | None, list[Problem]]:
    """The source's data as this kind of section, or every mistake in it, in the order of the file."""
    try:
        return kind.model_validate(source.data, by_alias=True, by_name=False), []
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose items are wrong also counts as too short; the items say enough.
        inner = {detail["loc"][:-1] for detail in details}
        details = [one for one in details if one["type"] != "too_short" or one["loc"] not in inner]
        # A default that is made from a key which is wrong itself.
        details = [one for one in details if one["type"] != "default_factory_not_called"]
        problems = [_problem(kind, source, detail) for detail in details]
        return None, sorted(problems, key=lambda problem: (problem.file, problem.line))


def section_at(kind: Any, location: Location) -> type[Section] | None:
    """The model that describes the mapping at a location; None where there is none (a free mapping, a scalar)."""
    return _model(type_at(kind, location))


def type_at(kind: Any, location: Location) -> Any:
    """The type of the value at a location; None where that is unknown."""
    for step in location:
        kind = _below(kind, step)
        if kind is None:
            return None
    return kind


def fields(kind: type[Section]) -> Mapping[str, Any]:
    """Types of a section's values by the key people write."""
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def alternatives(kind: Any) -> tuple[Any, ...]:
    """A type's alternatives, without `Annotated` and None."""
    origin = get_origin(kind)
    if origin is Annotated:
        return alternatives(get_args(kind)[0])
    if origin in {Union, types.UnionType}:
        return tuple(plain for part in get_args(kind) for plain in alternatives(part) if plain is not type(None))
    return (kind,)


def _model(kind: Any) -> type[Section] | None:
    return next((part for part in alternatives(kind) if isinstance(part, type) and issubclass(part, Section)), None)


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


def _problem(kind: type[Section], source: Source, detail: ErrorDetails) -> Problem:
    """What pydantic complains of in our words, at its place."""
    location: Location = tuple(step for step in detail["loc"] if step != "[key]")  # a mapping's key, not its value
    key = next((step for step in reversed(location) if isinstance(step, str)), "")
    match detail["type"]:
        case "extra_forbidden":
            parent = section_at(kind, location[:-1])
            message = f"unknown key {key!r}{suggest(key, fields(parent)) if parent else ''}"
        case "missing":
            message = f"key {key!r} is missing"
        case "value_error":
            message = f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
        case "string_type" if isinstance(detail["input"], (int, float)):
            message = f"{key}: must be text; put it in quotes"
        case "string_type" | "path_type":
            message = f"{key}: must be text"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = f"{key}: must be a mapping of keys"
        case "tuple_type" | "list_type":
            message = f"{key}: must be a list"
        case _:
            message = f"{key}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return source.problem(location, message)
