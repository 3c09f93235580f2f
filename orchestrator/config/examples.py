"""What a key may look like: a value that is right, for `scanmatrix explain`.

The default is the best example; where there is none, one is made of the kind of the value.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic_core import PydanticUndefined

from orchestrator.config.keys import alternatives, fields, kind_of, section_of
from orchestrator.config.reference import bounds_of, written_default
from orchestrator.config.section import OneOf, Section, SomeOf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo

#: Values by the name of their kind.
OF_KINDS: Mapping[str, Any] = {
    "CPUs": "500m",
    "IANA name": "Europe/Vienna",
    "URL": "https://scanners.example.com",
    "URL, or `${NAME}`": "${HOOK_URL}",
    "`key` or `key=value`": "team=shop",
    "`auto`, `required` or `off`": "required",
    "address": "security@example.com",
    "comparisons": ">=1.20 <2",
    "cron expression": "0 2 * * *",
    "day or moment": "2026-03-19",
    "day or time": "2026-12-31",
    "digest": "sha256:" + "0" * 64,
    "duration": "15m",
    "duration, or mapping of durations": "1d",
    "file name": "report.json",
    "glob": "registry.example.com/shop/*",
    "host": "registry.example.com",
    "host or URL": "mirror.example.com",
    "issuer URL": "https://login.example.com",
    "justification": "component_not_present",
    "label": "ignore",
    "mapping of text": {"LOCUST_TEST": "locust/basic.py"},
    "memory": "512Mi",
    "name": "shop",
    "names": ["general", "secrets"],
    "namespace/name": "gateways/public",
    "network": "203.0.113.0/24",
    "path": "/srv/scanmatrix",
    "pattern": "shop/*",
    "platform": "linux/amd64",
    "reference": "registry.example.com/shop/web:1.4",
    "repository": "aquasec/trivy",
    "size": "10Gi",
    "text, or `${NAME}`": "${TOKEN_OF_SCANMATRIX}",
    "variable": "HTTPS_PROXY",
}
_MOST_DEPTH = 6


class GivenExample(NamedTuple):
    """An example that nothing in the models tells.

    Attributes:
        value: of the key.
        beside: further keys of the same section, without which it would not be right.
    """

    value: Any
    beside: Mapping[str, Any] = MappingProxyType({})


def example_of(section: type[Section], path: Sequence[str], given: Mapping[str, GivenExample] | None = None) -> Any:
    """What would be written for a key, with all the keys above it.

    Args:
        section: the model of the whole file.
        path: the names of the key and of those above it; items of a list and names of a mapping are not counted.
        given: by the whole name of their key.
    """
    return {path[0]: _below(section, path, given or {}, path[0])}


def _below(section: type[Section], path: Sequence[str], given: Mapping[str, GivenExample], name: str) -> Any:
    kind = fields(section)[path[0]]
    field = next(field for key, field in section.model_fields.items() if (field.alias or key) == path[0])
    if len(path) == 1:
        return given[name].value if name in given else _value(kind, field)
    for each in alternatives(kind):
        arguments = get_args(each)
        item = {tuple: arguments[:1], dict: arguments[1:]}.get(get_origin(each), (each,))[0]
        if (inner := section_of(item)) is not None:
            key = f"{name}.{path[1]}"
            value = {path[1]: _below(inner, path[1:], given, key), **(given[key].beside if key in given else {})}
            if get_origin(each) is tuple:
                return [value]
            return {_word(arguments[0], given.get(name)): value} if get_origin(each) is dict else value
    raise LookupError(f"no keys below {name}")


def _word(kind: Any, given: GivenExample | None) -> Any:
    """A name of a mapping in which people name things."""
    return _value(kind) if given is None else next(iter(given.value))


def _value(kind: Any, field: FieldInfo | None = None, depth: int = 0) -> Any:
    default = None if field is None or field.default is PydanticUndefined else written_default(kind, field)
    if isinstance(default, bool):
        return not default
    if default not in (None, "", [], {}):
        return default
    known = kind_of(kind)
    if known is not None and known.name in OF_KINDS and not _is_collection(kind):
        return OF_KINDS[known.name]
    if get_origin(kind) is Annotated and (int in alternatives(kind) or float in alternatives(kind)):
        least, most = bounds_of(kind)
        return min(max(1, least or 0), most if most is not None else 10**6)
    return _plain_value(alternatives(kind)[0], depth)


def _is_collection(kind: Any) -> bool:
    return any(get_origin(each) in {tuple, dict} for each in alternatives(kind)) and kind_of(kind) is None


def _plain_value(kind: Any, depth: int) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        return [_value(arguments[0], depth=depth)]
    if origin is dict:
        return {_value(arguments[0], depth=depth): _value(arguments[1], depth=depth)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind)).value
    if isinstance(kind, type) and issubclass(kind, Section):
        return _keys_of(kind, depth) if depth < _MOST_DEPTH else {}
    return {bool: True, int: 1, float: 1}.get(kind, "text")


def _keys_of(section: type[Section], depth: int) -> dict[str, Any]:
    """The keys that a section needs, or else its first one."""
    needed = [name for name, field in section.model_fields.items() if field.is_required()]
    if issubclass(section, (OneOf, SomeOf)):
        needed += [name for name in section.choices[:1] if name not in needed]
    needed = needed or list(section.model_fields)[:1]
    named = {field.alias or name: field for name, field in section.model_fields.items() if name in needed}
    return {key: _value(fields(section)[key], field, depth + 1) for key, field in named.items()}
