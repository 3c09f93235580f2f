"""What scanners call the files they were given: paths within the cell, not where this run's cell lies on the volume.

A scanner that runs as a process of this machine names `<volume>/runs/<run>/<target>/<scan>/attempt-1/image.tar`, which
is another path in the next run and the next attempt, and would make each of its findings `fixed` and `new`. In a
container the same file is `/image.tar`. What was unpacked out of a layer is called as the image calls it.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from orchestrator.images.content.spelling import origin
from orchestrator.model import Finding
from orchestrator.volume.layout import STANDING_CELL, UNPACKED

#: How a scanner calls the folder with the layers: `layers` of its cell, its own mount, or a folder in that, beside a
#: worker. No layer is called `files`.
_UNPACKED = re.compile(rf"/?{UNPACKED}/(?:files/)?")
_WITHIN = re.compile(r"(?:attempt-\d+/|checkout/)?")


def within_cell(findings: Iterable[Finding], folder: str, *, layers: bool = False) -> Iterator[Finding]:
    """Findings whose locations and places do not say which run, attempt and volume they are of.

    Args:
        findings: of one cell.
        folder: of the cell, below the volume: `runs/<run>/<target>/<scan>`.
        layers: whether its scanner was given the unpacked layers of an image.
    """
    moved = map(_as_in_container, _without_folder(findings, f"{folder}/"))
    return map(_in_image, moved) if layers else moved


def _without_folder(findings: Iterable[Finding], mark: str) -> Iterator[Finding]:
    for finding in findings:
        if mark in finding.location or mark in finding.place:
            yield msgspec.structs.replace(
                finding,
                location=_within(finding.location, mark),
                place="\n".join(_within(place, mark) for place in finding.place.split("\n")),
            )
        else:
            yield finding


def _as_in_container(finding: Finding) -> Finding:
    """A finding of a scanner that a worker keeps running, by the paths that its own container would have had."""
    if not finding.location.startswith(f"{STANDING_CELL}/") and STANDING_CELL not in finding.place:
        return finding
    place = "\n".join(each.removeprefix(STANDING_CELL) for each in finding.place.split("\n"))
    return msgspec.structs.replace(finding, location=finding.location.removeprefix(STANDING_CELL), place=place)


def _in_image(finding: Finding) -> Finding:
    """A finding in a file of a layer, by the file's path in the image; the layer is its place."""
    below = _UNPACKED.match(finding.location)
    if below is None:
        return finding
    rest = finding.location[below.end() :]
    if (found := origin(rest)) is None:
        return msgspec.structs.replace(finding, location=rest)
    location, layer = found
    places = finding.place.split("\n") if finding.place else [""]
    place = "\n".join(f"layer {layer}{each and f', {each}'}" for each in places)
    return msgspec.structs.replace(finding, location=location, place=place)


def _within(path: str, mark: str) -> str:
    before, found, rest = path.partition(mark)
    if not found or (before and not before.endswith("/")):
        return path
    start = _WITHIN.match(rest)
    return rest[start.end() :] if start else rest
