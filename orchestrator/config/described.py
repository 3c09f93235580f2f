"""How a kind of value is described to those who write it: its name, its JSON Schema, how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core.core_schema import no_info_before_validator_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema


@dataclass(frozen=True)
class ValueKind:
    """What a value is to those who write it; stands in `Annotated`.

    Attributes:
        name: in the reference tables; a list has its plural.
        schema: JSON Schema, where that of the type is of what the program has instead.
        spell: makes of the program's value what is written, for defaults and bounds.
        unquoted: what YAML may have made of it; it is taken where its text is the one that was written.
        plural: where that is not the name with an `s`.
        help: how it is written, for one that does not match its pattern.
    """

    name: str
    schema: Mapping[str, Any] | None = None
    spell: Callable[[Any], object] | None = None
    unquoted: tuple[type, ...] = ()
    plural: str = ""
    help: str = ""

    def __hash__(self) -> int:
        return hash(self.name)

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(core) if self.schema is None else dict(self.schema)


@dataclass(frozen=True)
class OrOne:
    """A list that may be written as its one item; stands in `Annotated`, beside the list's type."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str) else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        found = handler(core)
        return {"anyOf": [found["items"], found]}
