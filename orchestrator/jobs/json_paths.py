"""JSONPath (RFC 9535) as far as a job configuration needs it, and as far as it takes linear time.

The original's library knew filters and `..` as well. They may visit, and write down, a value of an event that anybody
may have sent once for each value that it lies in, so they are refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonpath import JSONPath

_LONGEST = 512


class FoundValues(NamedTuple):
    """What a path leads to.

    Attributes:
        values: in the order of the document.
        is_one: whether the path names one place; otherwise it has a list, of whatever length.
    """

    values: tuple[Any, ...]
    is_one: bool


def check_json_path(path: str) -> str:
    """The path itself, if it can be used.

    Raises:
        ValueError: it is none, or could take long.
    """
    _compiled(path)
    return path


def find_values(path: str, document: Mapping[str, Any]) -> FoundValues:
    """What a path leads to in a document.

    Raises:
        ValueError: see `check_json_path`.
    """
    compiled = _compiled(path)
    return FoundValues(tuple(match.obj for match in compiled.finditer(document)), compiled.singular_query())


@lru_cache(maxsize=1024)
def _compiled(path: str) -> JSONPath:
    from jsonpath import JSONPath, JSONPathEnvironment, JSONPathError  # noqa: PLC0415 - only jobs need it
    from jsonpath.segments import JSONPathRecursiveDescentSegment  # noqa: PLC0415
    from jsonpath.selectors import Filter  # noqa: PLC0415

    if len(path) > _LONGEST:
        raise ValueError(f"is a JSONPath of {len(path):,} characters; at most {_LONGEST} are accepted")
    try:
        compiled = JSONPathEnvironment(strict=True).compile(path)
    except (JSONPathError, RecursionError, ValueError) as error:
        said = error.args[0] if error.args else "it is too deep"
        raise ValueError(
            f"{path[:80]!r} is not a JSONPath: {said}; write it like $.data.project or $.data.urls[0]"
        ) from error
    if not isinstance(compiled, JSONPath):
        raise ValueError(f"{path[:80]!r} is more than one JSONPath; write one")  # noqa: TRY004 - of what people wrote
    selectors = [selector for segment in compiled.segments for selector in segment.selectors]
    if any(isinstance(selector, Filter) for selector in selectors):
        raise ValueError(f"{path[:80]!r} has a filter (`?`), which is not supported; name the place: $.data.urls[0]")
    if any(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in compiled.segments):
        raise ValueError(f"{path[:80]!r} has `..`, which is not supported; name the place: $.data.urls[0]")
    return compiled
