"""What a section is: a pydantic model of its own, or the keys of a frozen type that the program has.

A key is declared once. What only the configuration knows is a `Section`. What a plan holds too is declared by the
frozen type in `orchestrator.model`, with its bounds as `Written`; `Keys` derives from it the model that people's YAML
is held to, and the configuration then has the frozen type itself.
"""

from __future__ import annotations

import types
from functools import cached_property
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, create_model, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

from orchestrator.config.kinds import BY_NAME
from orchestrator.model.written import Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import GetCoreSchemaHandler
    from pydantic.fields import FieldInfo


class CelRule(NamedTuple):
    """What is checked across keys, once more in CEL: for the API server of a cluster, in the definition of resources.

    Attributes:
        expression: true where the section, `self`, is right; keys with a default are always there.
        message: what is wrong otherwise.
    """

    expression: str
    message: str


class Section(BaseModel):
    """Base of all that people write as YAML: frozen, camelCase keys, unknown keys refused, values masked in errors.

    Attributes:
        declared: the frozen type that has its keys; None for a section that declares them itself.
        across: what its validators check across keys, as far as CEL can say it.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True, hide_input_in_errors=True
    )

    declared: ClassVar[type[msgspec.Struct] | None] = None
    across: ClassVar[tuple[CelRule, ...]] = ()


class OneOf(Section):
    """A section of which exactly one of some keys is given.

    Attributes:
        choices: these keys, by the names of their fields.
    """

    choices: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _exactly_one(self) -> OneOf:
        given = [to_camel(name) for name in self.choices if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"give it exactly one of {', '.join(map(to_camel, self.choices))}; this has {found}")
        return self


class SomeOf(Section):
    """A section of which at least one of some keys is given.

    Attributes:
        choices: these keys, by the names of their fields.
        nothing: what to tell where none is.
    """

    choices: ClassVar[tuple[str, ...]]
    nothing: ClassVar[str]

    @model_validator(mode="after")
    def _something(self) -> SomeOf:
        if not any(getattr(self, name) for name in self.choices):
            raise ValueError(self.nothing)
        return self


class WrongKey(ValueError):  # noqa: N818 - pydantic wants a ValueError, and messages name the key
    """What is wrong with a key below the section that is looked at.

    Attributes:
        below: the key, from the section on.
    """

    def __init__(self, below: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.below = below


D = TypeVar("D", bound=msgspec.Struct)


class Keys(Generic[D]):
    """A frozen type as people write it; stands in `Annotated`, beside that type.

    Attributes:
        kind: the frozen type.
        section: the model of its keys.
    """

    def __init__(
        self,
        kind: type[D],
        *,
        without: Iterable[str] = (),
        required: Iterable[str] = (),
        beside: Mapping[str, tuple[Any, Any]] | None = None,
        nested: Iterable[Keys[Any]] = (),
        checks: Mapping[str, Callable[[Any], Any]] | None = None,
        check: Callable[[D], D] | None = None,
        build: Callable[[dict[str, Any]], D] | None = None,
        defaults: D | None = None,
        optional: Mapping[str, Any] | None = None,
        one_of: tuple[str, ...] = (),
        across: tuple[CelRule, ...] = (),
    ) -> None:
        """Derive the model.

        Args:
            kind: the frozen type.
            without: its fields that are no keys.
            required: fields that have a default, for plans that were made before them, and must be given.
            beside: further keys that `build` makes fields of: type and default.
            nested: how types within it are written, where that is not as they are declared.
            checks: what else a field's value must fulfil; raises `ValueError`.
            check: the same of the whole; raises `ValueError`, or `WrongKey` for one key of it.
            build: makes the type of the keys' values, where they are not just its fields.
            defaults: has the defaults, where they are not the type's own.
            optional: defaults of keys whose fields have none.
            one_of: keys of which exactly one is given.
            across: what `check` and `checks` check across keys, in CEL.
        """
        self.kind = kind
        self._build: Callable[[dict[str, Any]], D] = build or (lambda values: kind(**values))
        self._check = check
        self._nested = {each.kind: each for each in nested}
        self._optional = optional or {}
        fields: dict[str, Any] = {}
        for field in msgspec.structs.fields(kind):
            if field.name not in without:
                fields[field.name] = self._field(
                    field, defaults, field.name in required, (checks or {}).get(field.name)
                )
        fields |= beside or {}
        self.section: type[Section] = create_model(
            kind.__name__,
            __base__=OneOf if one_of else Section,
            __module__=kind.__module__,
            __doc__=kind.__doc__,
            **fields,
        )
        self.section.declared = kind
        self.section.across = across
        if issubclass(self.section, OneOf):
            self.section.choices = one_of

    @cached_property
    def read(self) -> Callable[..., D]:
        """Makes the frozen type of plain data, as `model_validate` makes a section."""
        adapter: TypeAdapter[D] = TypeAdapter(cast("Any", Annotated[self.kind, self]))
        return adapter.validate_python

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            self._made, handler.generate_schema(self.section),
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins),
        )  # fmt: skip

    def _made(self, value: Any, handler: Callable[[Any], Section]) -> D:
        if isinstance(value, self.kind):
            return value
        made = self._build(dict(handler(value)))
        return self._check(made) if self._check else made

    def _field(
        self, field: msgspec.structs.FieldInfo, defaults: D | None, required: bool, check: Callable[[Any], Any] | None
    ) -> tuple[Any, FieldInfo]:
        """Type and default of one key."""
        default = self._optional.get(field.name, field.default) if defaults is None else getattr(defaults, field.name)
        kind = self._translated(field.type, default)
        written = next((each for each in get_args(field.type)[1:] if isinstance(each, Written)), Written())
        if check:
            kind = Annotated[kind, AfterValidator(check)]
        settings: dict[str, Any] = {"alias": written.key} if written.key else {}
        if required or (default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT):
            return kind, Field(**settings)
        if default is msgspec.NODEFAULT:
            return kind, Field(default_factory=field.default_factory, **settings)
        return kind, Field(default=default, **settings)

    def _translated(self, kind: Any, default: Any) -> Any:
        """A type of `orchestrator.model` as pydantic is to read it."""
        arguments = get_args(kind)
        if get_origin(kind) is Annotated:
            plain = self._translated(arguments[0], default)
            for written in arguments[1:]:
                plain = _bounded(plain, written) if isinstance(written, Written) else plain
            return plain
        if get_origin(kind) in {Union, types.UnionType}:
            return Union[tuple(self._translated(each, default) for each in arguments)]  # noqa: UP007 - made here
        if get_origin(kind) in {tuple, dict}:
            inner = tuple(each if each is ... else self._translated(each, None) for each in arguments)
            return get_origin(kind)[inner]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            own = default if isinstance(default, kind) and default != _plain(kind) else None
            return Annotated[kind, self._nested.get(kind) or Keys(kind, nested=self._nested.values(), defaults=own)]
        return kind


def _plain(kind: type[msgspec.Struct]) -> msgspec.Struct | None:
    """The type with its own defaults; None where some fields have none."""
    try:
        return kind()
    except TypeError:
        return None


def _bounded(plain: Any, written: Written) -> Any:
    """A type with a kind and bounds."""
    kind = BY_NAME[written.kind] if written.kind else plain
    if written[1:-1] == Written()[1:-1]:
        return kind
    field = Field(ge=written.least, le=written.most, min_length=written.length, pattern=written.pattern)
    return Annotated[kind, field]
