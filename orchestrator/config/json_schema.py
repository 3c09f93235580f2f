"""JSON Schemas (draft 2020-12) of what people write, for editors; made of the models, which alone decide.

A schema cannot tell `1.20` from `1.2`, nor whether a scan exists: `scanmatrix lint` says more.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema

from orchestrator.config.keys import fields
from orchestrator.config.reference import attributes_of, bounds_of, meanings_of, written_default
from orchestrator.config.section import OneOf, Section, SomeOf

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

DIALECT = GenerateJsonSchema.schema_dialect
"""Of every schema here: draft 2020-12."""
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def schema_of(section: type[Section], title: str, *, key: str = "") -> dict[str, Any]:
    """The JSON Schema of a file.

    Args:
        section: the model of the whole file.
        title: what the file is.
        key: for a file that is the value of this key, such as a list.
    """
    found = copy.deepcopy(_generated(section))
    definitions = found.pop("$defs", {})
    if key:
        found = found["properties"][key]
        found.pop("default", None)
    head = {"$schema": DIALECT, "title": title}
    return head | found | ({"$defs": dict(sorted(definitions.items()))} if definitions else {})


@cache
def _generated(section: type[Section]) -> dict[str, Any]:
    return section.model_json_schema(by_alias=True, schema_generator=SchemaGenerator)


def schema_of_document(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    """The JSON Schema of a file that is a frozen type of ours, as `scanmatrix` writes it."""
    found = msgspec.json.schema(kind)
    types = {each.__name__: each for each in _types_in(kind)}
    for name, definition in found["$defs"].items():
        definition["description"] = plain_text(definition.get("description", "").partition("\n\n")[0])
        texts = attributes_of(types[name]) if name in types else {}
        for field, prop in definition.get("properties", {}).items():
            if text := texts.get(field):
                # Beside `$ref` draft 2020-12 takes further keywords.
                prop["description"] = plain_text(text)
    return {"$schema": DIALECT, "title": title} | found


def _types_in(kind: Any, seen: dict[Any, None] | None = None) -> dict[Any, None]:
    """The frozen types that a type is made of, itself among them."""
    found: dict[Any, None] = {} if seen is None else seen
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if kind not in found:
            found[kind] = None
            for field in msgspec.structs.fields(kind):
                _types_in(field.type, found)
    else:
        for inner in get_args(kind):
            _types_in(inner, found)
    return found


class SchemaGenerator(GenerateJsonSchema):
    """Pydantic's, with the meanings of the reference, and defaults as they are written."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the key says as much
        """No titles: the keys are."""
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Without the default, which is the program's value; `model_schema` has what would be written."""
        return self.generate_inner(schema["schema"])

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """A free mapping whose names must match, rather than one in which others are not looked at."""
        found = super().dict_schema(schema)
        for pattern, value in found.pop("patternProperties", {}).items():
            found |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
        return found

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The keys of a section, each with its meaning."""
        found = super().model_schema(schema)
        section: type[Section] = schema["cls"]
        types, meanings = fields(section), meanings_of(section)
        found["description"] = plain_text((section.__doc__ or "").partition("\n\n")[0])
        for name, field in section.model_fields.items():
            key = field.alias or name
            prop = found["properties"][key]
            if meanings[name]:
                prop["description"] = plain_text(meanings[name])
            for word, bound in zip(("minimum", "maximum"), bounds_of(types[key]), strict=True):
                if word in prop and bound is not None:  # narrower than its kind's
                    prop[word] = bound
            default = written_default(types[key], field)
            if default not in (None, ""):
                prop["default"] = default
        found.pop("title", None)
        if issubclass(section, (OneOf, SomeOf)):
            word = "oneOf" if issubclass(section, OneOf) else "anyOf"
            found[word] = [_given(to_camel(name)) for name in section.choices]
        return found


def _given(key: str) -> dict[str, Any]:
    """That a key has a value, and one that says something."""
    return {"required": [key], "properties": {key: {"not": {"enum": [None, []]}}}}


def plain_text(text: str) -> str:
    """Markdown without links, on one line."""
    return " ".join(_LINK.sub(r"\1", text).split())
