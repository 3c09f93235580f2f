"""How a place within a file is spelt: `aws_s3_bucket.a, line 3`; what it is called stays, its line moves."""

import re

_LONGEST = 160
_LINE = re.compile(r"(?:^|, )line (\d{1,9})(?:-\d{1,9})?(?:, column (\d{1,9}))?(?: \(\d+\))?\Z")


def spell_place(name: str | None = "", line: int | None = 0, *, end: int | None = 0, column: int | None = 0) -> str:
    """Spell a place.

    Args:
        name: what is there (a resource, a member of an archive); its first line is used, cut to 160 characters.
        line: 1 and up; 0 or None when it is not known.
        end: the last line, when that is another.
        column: within the line.

    Returns:
        Empty when nothing is known.
    """
    words = (name or "").strip().split("\n", 1)[0].strip()
    words = words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
    if not line or line < 0:
        return words
    last = f"-{end}" if end and end > line else ""
    where = f"line {line}{last}" + (f", column {column}" if column and column > 0 else "")
    return f"{words}, {where}" if words else where


def line_of(place: str) -> int:
    """The first line of a place; 0 when it names none."""
    found = _LINE.search(place)
    return int(found[1]) if found else 0


def name_of(place: str) -> str:
    """What a place is called, without its line: what stays when lines are put before it."""
    found = _LINE.search(place)
    return place[: found.start()] if found else place


def in_order(place: str) -> tuple[str, int, str]:
    """A key by which places are sorted as people count: line 9 before line 10."""
    return name_of(place), line_of(place), place
