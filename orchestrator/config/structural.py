"""Structural schemas, as a cluster wants those of custom resources: made of the JSON Schemas of the models.

A structural schema knows no references, no alternatives of types and no null; what is checked across keys are rules in
CEL, and everything that is written has an upper bound, so that a rule has one for its cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.config.json_schema import SchemaGenerator
from orchestrator.config.section import OneOf, Section, SomeOf

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

_RULES = "x-kubernetes-validations"
_EITHER = "x-kubernetes-int-or-string"
#: Of a key whose default nobody writes down, while the schema is made.
_UNDECIDED = "x-undecided"
#: Most items of a list and of a free mapping, and most characters of a text.
MOST_ITEMS, MOST_LETTERS = 100, 2048
#: What a structural schema has no words for. Unknown keys are dropped, or refused where a client asks for that.
_UNSAID = (_UNDECIDED, "$ref", "exclusiveMaximum", "oneOf", "propertyNames", "title", "writeOnly")


def structural(
    section: type[Section], *, without: Mapping[str, frozenset[str]], undecided: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    """The structural schema of a section.

    Args:
        section: the model.
        without: keys that are left out, by the name of the section that has them.
        undecided: keys whose default is not written down, because it depends on more than the section.
    """
    found = section.model_json_schema(by_alias=True, schema_generator=_generator(without, undecided))
    return _settled(found, found.pop("$defs", {}))


def _generator(without: Mapping[str, frozenset[str]], undecided: Mapping[str, frozenset[str]]) -> type[SchemaGenerator]:
    class Structural(SchemaGenerator):
        """With the rules across keys of each section, and without the keys that are left out."""

        def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
            found = super().model_schema(schema)
            section: type[Section] = schema["cls"]
            properties = found["properties"]
            for key in without.get(section.__name__, ()):
                del properties[key]
            for key in undecided.get(section.__name__, ()):
                properties[key].pop("default", None)
                properties[key][_UNDECIDED] = True
            if rules := [*_choices(section, properties), *section.across]:
                found[_RULES] = [{"rule": rule, "message": message} for rule, message in rules]
            found.pop("anyOf", None)  # one of some keys: a rule says so
            return found

    return Structural


def _choices(section: type[Section], properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """That exactly one, or at least one, of some keys is given."""
    if not issubclass(section, (OneOf, SomeOf)):
        return []
    keys = [section.model_fields[name].alias or name for name in section.choices]
    keys = [key for key in keys if key in properties]
    given = ", ".join(f"has(self.{key})" for key in keys)
    if issubclass(section, OneOf):
        return [(f"[{given}].exists_one(one, one)", f"give it exactly one of {', '.join(keys)}")]
    return [(given.replace(", ", " || "), section.nothing)]


def _settled(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A schema and all within it, without references and alternatives of types."""
    if reference := node.get("$ref"):
        node = {**definitions[reference.rpartition("/")[2]], **node}
    node = _one_type(node, definitions)
    found = {word: value for word, value in node.items() if word not in _UNSAID}
    if "properties" in node:
        found["properties"] = {key: _settled(value, definitions) for key, value in node["properties"].items()}
        for key, prop in found["properties"].items():
            if (
                not node["properties"][key].get(_UNDECIDED)
                and _whole(prop)
                and {"type": "null"} not in node["properties"][key].get("anyOf", ())
            ):
                within = prop["properties"].items()
                # Whole, for its rules are asked about it before the defaults of its keys are filled in.
                prop.setdefault("default", {inner: each["default"] for inner, each in within if "default" in each})
    if "items" in node:
        found["items"] = _settled(node["items"], definitions)
    if isinstance(values := found.pop("additionalProperties", None), dict):
        found["additionalProperties"] = _settled(values, definitions)
        if pattern := node.get("propertyNames", {}).get("pattern"):
            rule = f"self.all(key, key.matches({_quoted(pattern)}))"
            found[_RULES] = [{"rule": rule, "message": f"every key must match {pattern}"}]
    return _bounded(found)


def _whole(prop: Mapping[str, Any]) -> bool:
    """Whether it is a section that may be empty."""
    return "properties" in prop and not prop.get("required")


def _one_type(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with the one of its alternatives that a resource takes: the list, the mapping, the text."""
    found = dict(node)
    if "anyOf" in node and not isinstance(node.get("type"), str):
        several = [each for each in node["anyOf"] if each.get("type") != "null"]
        for wanted in ("object", "array"):
            several = [each for each in several if each.get("type") == wanted] or several
        chosen = several[0]
        rest = {word: value for word, value in found.items() if word not in {"anyOf", "default"} or value is not None}
        rest.pop("anyOf", None)
        if "$ref" in chosen:
            chosen = definitions[chosen["$ref"].rpartition("/")[2]]
        found = _one_type({**chosen, **rest}, definitions)
    kinds = found.get("type")
    if isinstance(kinds, list):
        found.pop("type")
        if "array" in kinds:
            found["type"] = "array"
        elif "pattern" in found:
            found[_EITHER] = True  # a size, or a number of CPUs
        else:
            found["type"] = "string"
    if "const" in found:
        found["enum"] = [found.pop("const")]
    if "anyOf" in found:
        found["anyOf"] = [_one_type(each, definitions) for each in found["anyOf"]]
    return found


def _bounded(found: dict[str, Any]) -> dict[str, Any]:
    """With a most of everything that has none."""
    match found.get("type"):
        case "array":
            found.setdefault("maxItems", MOST_ITEMS)
        case "object" if "additionalProperties" in found:
            found.setdefault("maxProperties", MOST_ITEMS)
        case "string" if "enum" not in found:
            found.setdefault("maxLength", MOST_LETTERS)
    if found.get(_EITHER):
        found.setdefault("maxLength", 32)
    return found


def _quoted(text: str) -> str:
    """As a text of CEL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
