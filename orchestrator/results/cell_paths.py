"""What scanners call the files they were given: paths within the cell, not where this run's cell lies on the volume.

A scanner that runs as a process of this machine names `<volume>/runs/<run>/<target>/<scan>/attempt-1/image.tar`, which
is another path in the next run and the next attempt, and would make each of its findings `fixed` and `new`. In a
container the same file is `/image.tar`.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from orchestrator.model import Finding

_WITHIN = re.compile(r"(?:attempt-\d+/|checkout/)?")


def within_cell(findings: Iterable[Finding], folder: str) -> Iterator[Finding]:
    """Findings whose locations and places do not say which run, attempt and volume they are of.

    Args:
        findings: of one cell.
        folder: of the cell, below the volume: `runs/<run>/<target>/<scan>`.
    """
    mark = f"{folder}/"
    for finding in findings:
        if mark in finding.location or mark in finding.place:
            yield msgspec.structs.replace(
                finding,
                location=_within(finding.location, mark),
                place="\n".join(_within(place, mark) for place in finding.place.split("\n")),
            )
        else:
            yield finding


def _within(path: str, mark: str) -> str:
    before, found, rest = path.partition(mark)
    if not found or (before and not before.endswith("/")):
        return path
    start = _WITHIN.match(rest)
    return rest[start.end() :] if start else rest
