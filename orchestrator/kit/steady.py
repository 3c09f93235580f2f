"""Text that names the same thing in the next scan: lines, hashes, times and temporary paths left out."""

import re

_MOVING = re.compile(
    r"\b(?:lines?|columns?|col)\.? \d+(?: ?[-,] ?\d+)?"
    r"|(?<=[^\d\s]):\d+(?::\d+)?\b"  # `a.py:20:5`, and not the number of RHSA-2024:1234
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b0x[0-9a-f]{4,}\b"
    r"|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}\b"
    r"|(?<![\w.])/(?:var/)?tmp/[^\s'\"),;]+",
    re.IGNORECASE,
)
_TEMPORARY = re.compile(r"/(?:private/)?(?:var/)?(?:tmp|folders)/.")
_LONGEST = 1_000


def steady(text: str) -> str:
    """A message without what is otherwise in the next scan of the same thing; each such part becomes `…`.

    Args:
        text: of a scanner; only its first 1,000 characters are read.
    """
    return _MOVING.sub("…", text[:_LONGEST])


def is_temporary(folder: str) -> bool:
    """Whether an absolute path is that of a folder made for one scan, by where it lies."""
    return _TEMPORARY.match(folder) is not None
