"""Human-written YAML against the models: every mistake at its line, with the whole name of its key."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr, ValidationError

from orchestrator.config.keys import alternatives, fields, is_optional, is_secret, kind_of, section_at, type_at
from orchestrator.kit.yaml_source import suggest

if TYPE_CHECKING:
    from collections.abc import Callable

    from msgspec import Struct
    from pydantic_core import ErrorDetails

    from orchestrator.config.section import Keys, Section
    from orchestrator.kit.yaml_source import Location, Problem, Source

S = TypeVar("S", bound="Section")
D = TypeVar("D", bound="Struct")
T = TypeVar("T")

_TEXTS = (str, SecretStr, Path)
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}


def validate(kind: type[S], source: Source) -> tuple[S | None, list[Problem]]:
    """The source's data as this kind of section, or every mistake in it, in the order of the file."""
    return _validate(kind, kind.model_validate, source)


def validate_keys(keys: Keys[D], source: Source) -> tuple[D | None, list[Problem]]:
    """The source's data as a frozen type; see `validate`."""
    return _validate(keys.section, keys.read, source)


def _validate(kind: type[Section], make: Callable[..., T], source: Source) -> tuple[T | None, list[Problem]]:
    source, unquoted = _texts(kind, source)
    problems = list(unquoted.values())
    found = None
    try:
        found = make(source.data, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose items are wrong also counts as too short; the items say enough.
        inner = {detail["loc"][:-1] for detail in details}
        details = [one for one in details if one["type"] != "too_short" or one["loc"] not in inner]
        problems += [_problem(kind, source, detail) for detail in details if detail["loc"] not in unquoted]
    return None if problems else found, sorted(problems, key=lambda problem: (problem.file, problem.line))


def _texts(kind: type[Section], source: Source) -> tuple[Source, dict[Location, Problem]]:
    """Text without quotes, that YAML takes for something else, as it was written; or what to do about it.

    Of `1.20`, `no` and `12:30:45` YAML makes 1.2, false and 45045 without a word, so they are refused where text is
    wanted; a label `1` or `true` is the text that it looks like.
    """
    problems: dict[Location, Problem] = {}
    data: Any = None
    for location, written in source.unquoted.items():
        wanted = type_at(kind, location)
        if not any(each in _TEXTS for each in alternatives(wanted)):
            continue
        value, known = _value_at(source.data, location), kind_of(wanted)
        if isinstance(value, date if known and date in known.unquoted else ()) or (
            value is None and is_optional(wanted)
        ):
            continue
        if not (known and isinstance(value, known.unquoted) and _spell(value) == written):
            problems[location] = source.wrong(location, _to_quote(value, "" if is_secret(wanted) else written))
        data = copy.deepcopy(source.data) if data is None else data
        _value_at(data, location[:-1])[location[-1]] = written or "~"
    return source if data is None else replace(source, data=data), problems


def _value_at(data: Any, location: Location) -> Any:
    for step in location:
        data = data[step]
    return data


def _spell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _to_quote(value: object, written: str) -> str:
    """What to do about a text that YAML takes for something else; one that is not to be shown is empty."""
    match value:
        case None:
            what = "nothing"
        case bool():
            what = "true or false"
        case int() | float():
            what = f"the number {value}" if written else "a number"
        case str():
            what = "a number in version 1.2"
        case _:
            what = "a date"
    if not written:
        return f"must be text, but YAML reads this as {what}; put it in quotes"
    return f'must be text, but YAML reads {written} as {what}; put it in quotes: "{written}"'


def _problem(kind: type[Section], source: Source, detail: ErrorDetails) -> Problem:
    """What pydantic complains of in our words, at its place."""
    location: Location = tuple(step for step in detail["loc"] if step != "[key]")  # a mapping's key, not its value
    context = detail.get("ctx", {})
    match detail["type"]:
        case "extra_forbidden":
            parent = section_at(kind, location[:-1])
            hint = suggest(str(location[-1]), fields(parent)) if parent else ""
            return source.wrong(location, f"unknown key {location[-1]!r}{hint}", name=location[:-1])
        case "missing":
            return source.wrong(location, f"key {location[-1]!r} is missing", name=location[:-1])
        case "literal_error" | "enum" if isinstance(detail["input"], str):
            message = f"{detail['input'][:80]!r} is not {context['expected']}"
        case "value_error":
            error = context["error"]
            location, message = (*location, *getattr(error, "below", ())), str(error)
        case "string_type" if isinstance(detail["input"], (int, float)):
            message = "must be text; put it in quotes"
        case "string_type" | "path_type":
            message = "must be text"
        case "model_type" | "model_attributes_type" | "dict_type":
            message = "must be a mapping of keys"
        case "tuple_type" | "list_type":
            message = "must be a list"
        case "greater_than_equal" | "less_than_equal":
            name, words = _BOUNDS[detail["type"]]
            known = kind_of(type_at(kind, location))
            spelt = f"{known.spell(context[name])} ({context[name]})" if known and known.spell else context[name]
            message = f"must be {words} {spelt}"
        case _:
            message = f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"
    return source.wrong(location, message)
