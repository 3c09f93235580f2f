"""The one decoder of JSON that strangers wrote: manifests, configs, indexes, and what registries answer.

Container runtimes are written in Go, and what they run is what must be scanned. So a document is read exactly as Go's
`encoding/json` reads it, or it is refused: see `json_shapes` for what that means for keys, nulls and numbers. Refused,
too, is what only some readers take for JSON (a byte order mark, text that is not UTF-8, anything after the document,
`NaN`) and what costs more than a real document does (length, number of values, depth, digits of a number).

Example:
    class Tags(msgspec.Struct):
        name: str = ""
        tags: tuple[str, ...] | None = None

    decode(answer, Tags, origin="registry.example/app: tags/list").tags
"""

import json
from typing import TypeVar, cast

from orchestrator.kit.json_bounds import (
    ForeignJsonError,
    JsonBounds,
    explain,
    parse_float,
    parse_integer,
    refuse_constant,
)
from orchestrator.kit.json_shapes import Members, ShapeError, reader

__all__ = ["MOST_BYTES", "ForeignJsonError", "decode"]

#: Largest document accepted, unless the caller knows better.
MOST_BYTES = 16 * 1024 * 1024
# A manifest of 4 MiB, the most that registries accept, has at most 60,000 containers; configs have far fewer.
_MOST_CONTAINERS = 200_000
_MOST_VALUES = 500_000
_MARK = "\ufeff"

T = TypeVar("T")

_parse = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=parse_integer, parse_float=parse_float, parse_constant=refuse_constant
).decode


def decode(data: bytes, kind: type[T], *, origin: str, most_bytes: int = MOST_BYTES) -> T:
    """Read a document as Go would.

    Args:
        data: the whole document.
        kind: what it is read as: a `msgspec.Struct` or one of the other types of `json_shapes.reader`. Objects that a
            Struct describes are structures, all others are maps.
        origin: what it is, for the message.
        most_bytes: largest size accepted.

    Raises:
        ForeignJsonError: it is not JSON, not of that type, too costly, or would be read otherwise by another reader.
    """
    excess = JsonBounds(most_bytes, _MOST_CONTAINERS, _MOST_VALUES).excess(data)
    if excess:
        raise ForeignJsonError(f"{origin}: {excess}")
    try:
        text = data.decode()
        if text.startswith(_MARK):
            raise ForeignJsonError(f"{origin}: begins with a byte order mark, which JSON does not allow")
        return cast("T", reader(kind)(_parse(text), 0))
    except ShapeError as error:
        raise ForeignJsonError(f"{origin}: {error}") from error
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ForeignJsonError(f"{origin}: {explain(error)}") from error
