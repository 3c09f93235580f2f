"""The keys as people look them up: name, type, default and meaning, all from the models.

The tables of `docs/configuration.md` and `docs/scans.md` and the JSON Schemas are made of these; a key's meaning is its
entry under `Attributes:` where it is declared.
"""

from __future__ import annotations

import inspect
import re
import types
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
import yaml
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from orchestrator.config.described import ValueKind
from orchestrator.config.keys import fields, kind_of, sections_in
from orchestrator.config.section import Keys, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTRY = re.compile(r"    (\w[\w, ]*): (.*)")


class KeyRow(NamedTuple):
    """One key.

    Attributes:
        name: whole, with dots; items of a list are not counted.
        kind: what is written there.
        default: as it would be written; `required`, `none`, or `as below` for a mapping whose keys have defaults.
        meaning: for users, in Markdown.
    """

    name: str
    kind: str
    default: str
    meaning: str


def keys_of(section: type[Section], path: tuple[str, ...] = ()) -> Iterator[KeyRow]:
    """Every key below a section, in the order of their declarations."""
    types, meanings = fields(section), meanings_of(section)
    for name, field in section.model_fields.items():
        key = field.alias or name
        yield KeyRow(".".join((*path, key)), spell_kind(types[key]), _spell_default(types[key], field), meanings[name])
        for below in sections_in(types[key]):
            yield from keys_of(below, (*path, key))


@cache
def meanings_of(section: type[Section]) -> dict[str, str]:
    """What each field of a section means; of a section that nothing is written about, what it says of itself."""
    found = {}
    for name, field in section.model_fields.items():
        own = next(iter(sections_in(field.annotation)), None)
        found[name] = ((own and own.__doc__) or "").partition("\n\n")[0].removesuffix(".")
    for documented in reversed((section.declared or section).__mro__):
        found |= {name: text for name, text in attributes_of(documented).items() if name in found}
    return found


def written_default(kind: Any, field: FieldInfo) -> Any:
    """A field's default as it would stand in the file; None for none, one that is made, and that of whole sections."""
    made = field.default_factory not in {None, dict}
    if field.is_required() or made or isinstance(field.default, (Section, msgspec.Struct)):
        return None
    return _written(kind, {} if field.default_factory else field.default)


def spell_kind(kind: Any) -> str:
    """What is written as a value, in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _spell_annotated(*arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(spell_kind(each) for each in arguments if each is not type(None))
    if origin is Literal:
        return " or ".join(f"`{word}`" for word in arguments).replace(" or ", ", ", len(arguments) - 2)
    if origin in {tuple, dict}:
        value = arguments[0 if origin is tuple else 1]
        many = "list" if origin is tuple else "mapping"
        return many if sections_in(value) else f"{many} of {_plural(value)}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind.__name__.lower()
    plain = {bool: "true or false", int: "number", float: "number"}
    return "mapping" if sections_in(kind) else plain.get(kind, "text")


def _spell_annotated(plain: Any, *others: Any) -> str:
    if any(isinstance(each, Keys) for each in others):
        return "mapping"
    known = next((each for each in reversed(others) if isinstance(each, ValueKind)), None)
    if plain in {int, float} and (known is None or known.spell):
        return _spell_range(known, *bounds_of(Annotated[plain, *others]))
    return known.name if known else spell_kind(plain)


def _plural(kind: Any) -> str:
    if get_origin(kind) is Annotated and (known := kind_of(kind)) is not None:
        return known.plural or f"{known.name}s"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(kind))
    return re.sub(r"^(number|mapping)\b", r"\1s", spell_kind(kind))


def bounds_of(kind: Any) -> tuple[Any, Any]:
    """Least and most of a number, as pydantic has them; the narrowest, and None for none."""
    others = get_args(kind)[1:]
    flat = [each for one in others for each in (one.metadata if isinstance(one, FieldInfo) else [one])]
    least: list[Any] = [each.ge for each in flat if isinstance(each, Ge)]
    most: list[Any] = [each.le for each in flat if isinstance(each, Le)]
    return max(least, default=None), min(most, default=None)


def _spell_range(known: ValueKind | None, least: Any, most: Any) -> str:
    if known is None:
        return "number" if most is None else f"{least} to {most}"
    words = [known.name]
    if known.spell and least is not None and least > 1:
        words.append(f"at least `{known.spell(least)}`")
    if known.spell and most is not None:
        words.append(f"at most `{known.spell(most)}`")
    return ", ".join(words)


def _spell_default(kind: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, (Section, msgspec.Struct)):
        return "as below"
    if field.default is None:
        return "none"
    if field.default_factory not in {None, dict}:
        return "computed"
    text = yaml.safe_dump(written_default(kind, field), default_flow_style=True, width=1000, allow_unicode=True)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def _written(kind: Any, value: Any) -> Any:
    """A value of the program as it would be written."""
    if value is None:
        return None
    known = kind_of(kind)
    if isinstance(value, (list, tuple)):
        return [_written(None, each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return known.spell(value) if known and known.spell else value


@cache
def attributes_of(documented: type) -> dict[str, str]:
    """The entries under `Attributes:` of a docstring, each on one line."""
    text = inspect.cleandoc(vars(documented).get("__doc__") or "")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in text.partition("Attributes:\n")[2].splitlines():
        if entry := _ENTRY.fullmatch(line):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.startswith("        "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            break
    return found
