"""Names that are shortened in the middle, for tables: what comes last says which one it is."""

import re
from functools import partial

_DIGEST = re.compile(r"(@sha256:[0-9a-f]{12})[0-9a-f]{52}")
_TAG_AND_DIGEST = re.compile(r"(:[\w.-]+)@sha256:[0-9a-f]{12,}…?")


def shorten(name: str, width: int) -> str:
    """A reference, path, URL or name of a package in no more cells than a width, its middle left out.

    What comes last stays: the tag, then the last part of the path; of a digest its first twelve digits do, and none
    beside a tag.
    """
    from rich.cells import cell_len, set_cell_size

    for shorter in (str, partial(_DIGEST.sub, r"\1…"), partial(_TAG_AND_DIGEST.sub, r"\1@…")):
        name = shorter(name)
        if cell_len(name) <= width:
            return name
    tail = name[_last_part(name) :]
    room = width - cell_len(tail) - 1
    if room < 0 or tail == name:
        end = set_cell_size(tail[::-1], min(max(width - 1, 0), cell_len(tail)))
        return f"…{end[::-1].lstrip()}"
    return f"{set_cell_size(name[: _last_part(name)], room).rstrip()}…{tail}"


def _last_part(name: str) -> int:
    """Where the last part of a path begins, or of a name that colons separate; 0 for a name without parts."""
    path = re.split("[#@]", name, maxsplit=1)[0]
    at = (
        path.rfind("/")
        if "/" in path
        else path.rfind(":")
        if path.count(":") > 1 or "." in path.partition(":")[0]
        else 0
    )
    return max(at, 0)
