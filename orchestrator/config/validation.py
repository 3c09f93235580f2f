"""Human-written YAML against the models: every mistake at its line, with the whole name of its key."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from orchestrator.config.keys import (
    alternatives,
    fields,
    is_optional,
    is_secret,
    is_text,
    kind_of,
    name_type_at,
    section_at,
    type_at,
)
from orchestrator.kit.sources import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from msgspec import Struct
    from pydantic_core import ErrorDetails

    from orchestrator.config.section import Keys, Section
    from orchestrator.kit.sources import Location, Problem, Source

S = TypeVar("S", bound="Section")
D = TypeVar("D", bound="Struct")
T = TypeVar("T")

_NUMBERS = (int, float)
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}
_FIXED = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys",
    "finite_number": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "model_attributes_type": "must be a mapping of keys",
    "model_type": "must be a mapping of keys",
    "string_too_short": "must not be empty",
    "too_short": "must have at least 1 item",
    "tuple_type": "must be a list",
}
# Those that YAML 1.1 and 1.2 read as the same number: no 010, 1_000 and 12:30.
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+][0-9]+)?|0x[0-9a-fA-F]+")


def validate(kind: type[S], source: Source) -> tuple[S | None, list[Problem]]:
    """The source's data as this kind of section, or every mistake in it, in the order of the file."""
    return _validate(kind, kind.model_validate, source)


def validate_keys(keys: Keys[D], source: Source) -> tuple[D | None, list[Problem]]:
    """The source's data as a frozen type; see `validate`."""
    return _validate(keys.section, keys.read, source)


def _validate(kind: type[Section], make: Callable[..., T], source: Source) -> tuple[T | None, list[Problem]]:
    source, changed = _scalars(kind, source)
    problems = list(changed.values())
    found = None
    try:
        found = make(source.data, by_alias=True, by_name=False)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose items are wrong also counts as too short; the items say enough.
        inner = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
        details = [one for one in details if one["type"] != "too_short" or one["loc"] not in inner]
        problems += [_problem(kind, source, detail) for detail in details if detail["loc"] not in changed]
    return None if problems else found, sorted(problems, key=lambda problem: (problem.file, problem.line))


def _scalars(kind: type[Section], source: Source) -> tuple[Source, dict[Location, Problem]]:
    """The source with text as it was written, and what is wrong with single values because of what YAML made of them.

    Of `1.20`, `no` and `12:30:45` YAML makes 1.2, false and 45045 without a word, and pydantic takes `no` for the
    number 0 and `"0"` for false; so each is refused where something else is wanted. A label `1` or `true` is the text
    that it looks like, and the text of a variable is whatever is wanted.
    """
    problems: dict[Location, Problem] = {}
    data: Any = None
    for location, value, wanted in _leaves(source.data, kind, ()):
        written = source.unquoted.get(location)
        if not is_text(wanted):
            if location not in source.variables and (message := _misread(value, written, wanted)):
                problems[location] = source.wrong(location, message)
            continue
        if written is None:
            continue
        known = kind_of(wanted)
        if isinstance(value, date if known and date in known.unquoted else ()) or (
            value is None and is_optional(wanted)
        ):
            continue
        if not (known and type(value) in known.unquoted and _spell(value) == written):
            problems[location] = source.wrong(location, _to_quote(value, "" if is_secret(wanted) else written))
        data = copy.deepcopy(source.data) if data is None else data
        _value_at(data, location[:-1])[location[-1]] = written or "~"
    return source if data is None else replace(source, data=data), problems


def _leaves(data: Any, kind: Any, location: Location) -> Iterator[tuple[Location, Any, Any]]:
    """Every value that is no list and no mapping, with its place and type; those of no known type are left out."""
    if isinstance(data, dict):
        for key, value in data.items():
            if (inner := type_at(kind, (key,))) is not None:
                yield from _leaves(value, inner, (*location, key))
    elif isinstance(data, (list, tuple)):
        if (inner := type_at(kind, (0,))) is not None:
            for index, value in enumerate(data):
                yield from _leaves(value, inner, (*location, index))
    else:
        yield location, data, kind


def _misread(value: object, written: str | None, wanted: Any) -> str:
    """Why a value is not the number or truth value that is wanted; empty where it is, or the model sees it itself."""
    kinds, known = alternatives(wanted), kind_of(wanted)
    if bool in kinds:
        return "must be true or false" if isinstance(value, (str, *_NUMBERS)) and not isinstance(value, bool) else ""
    if not any(each in _NUMBERS for each in kinds):
        return ""
    if isinstance(value, bool):
        noun = known.name if known and known.spell else "number"
        return f"must be a {noun}, but YAML reads {written or _spell(value)} as true or false"
    if isinstance(value, _NUMBERS) and written and not _NUMBER.fullmatch(written):
        return f"YAML reads {written} as the number {value}; write it in decimal digits"
    if isinstance(value, str) and not (known and known.spell):
        return "must be a number, in decimal digits" if written else "must be a number, without quotes"
    return ""


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
    match detail["type"]:
        case "extra_forbidden":
            parent = section_at(kind, location[:-1])
            hint = suggest(str(location[-1]), fields(parent)) if parent else ""
            return source.wrong(location, f"unknown key {location[-1]!r}{hint}", name=location[:-1])
        case "missing":
            return source.wrong(location, f"key {location[-1]!r} is missing", name=location[:-1])
        case "value_error":
            error = detail["ctx"]["error"]
            return source.wrong((*location, *getattr(error, "below", ())), str(error))
    wanted = name_type_at(kind, location) if "[key]" in detail["loc"] else type_at(kind, location)
    message = _FIXED.get(detail["type"]) or _spell_mistake(detail, wanted)
    return source.wrong(location, message)


def _spell_mistake(detail: ErrorDetails, wanted: Any) -> str:
    """What is wrong with one value of a known type."""
    value, context, known = detail["input"], detail.get("ctx", {}), kind_of(wanted)
    match detail["type"]:
        case "literal_error" | "enum":
            found = f"{value[:80]!r} is not" if isinstance(value, str) else "must be"
            return f"{found} {context['expected']}"
        case "string_type" | "path_type":
            return "must be text; put it in quotes" if isinstance(value, _NUMBERS) else "must be text"
        case "string_pattern_mismatch":
            help_text = (known and known.help) or f"must match {context['pattern']}"
            return help_text if is_secret(wanted) else f"{value[:80]!r}: {help_text}"
        case "int_type" | "int_parsing" | "float_type" | "float_parsing":
            return f"must be a {known.name if known else 'number'}"
        case "greater_than_equal" | "less_than_equal":
            name, words = _BOUNDS[detail["type"]]
            return f"must be {words} " + (
                f"{known.spell(context[name])} ({context[name]})" if known and known.spell else f"{context[name]}"
            )
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}"
