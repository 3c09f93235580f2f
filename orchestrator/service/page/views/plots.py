"""Lines over time as SVG: findings by severity, coverage and age of what is known, run by run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The drawing, in units of its own: width, height, and the margins that its labels need.
WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 62, 12, 32
#: Between two numbers at the ends of lines.
_LINE_HEIGHT = 14.0


class Spot(NamedTuple):
    """A value where it is drawn, and what to say of it."""

    x: float
    y: float
    text: str


class Series(NamedTuple):
    """One line: a name for people, a class that gives its colour, and a value for each moment."""

    name: str
    kind: str
    values: tuple[float, ...]


class PlotMark(NamedTuple):
    """A value of the scale, and where it is."""

    y: float
    text: str


class PlotLine(NamedTuple):
    """A series where it is drawn; `label` is the height of the number at its end, so that none covers another."""

    name: str
    kind: str
    path: str
    spots: tuple[Spot, ...]
    last: Spot
    label: float


class Plot(NamedTuple):
    """A drawing of some series with one scale."""

    title: str
    lines: tuple[PlotLine, ...]
    most: float
    unit: str
    begin: str
    end: str
    marks: tuple[PlotMark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT


def draw(title: str, moments: Sequence[str], series: Sequence[Series], unit: str = "", top: float = 0) -> Plot | None:
    """Draw series over the same moments.

    Args:
        title: of the drawing.
        moments: RFC 3339, in order; each value of a series belongs to one.
        series: what is drawn.
        unit: of the values, for people.
        top: value at the upper end of the scale; 0 for the highest there is.

    Returns:
        None for fewer than two moments, which make no line.
    """
    if len(moments) < 2:  # noqa: PLR2004 - a line needs two
        return None
    most = max(0.0, *(value for each in series for value in each.values))
    scale = top or _round(most)
    lines = _apart([_line(each, moments, scale, unit) for each in series])
    marks = tuple(PlotMark(_height(value, scale), f"{value:,g}{unit}") for value in (0.0, scale / 2, scale))
    return Plot(title, lines, most, unit, moments[0][:10], moments[-1][:10], marks)


def _round(most: float) -> float:
    """The upper end of a scale whose half is a number that people read, too."""
    step: float = 10 ** math.floor(math.log10(most)) if most > 0 else 1
    found = next(
        each * step for each in (1, 2, 3, 4, 5, 6, 8, 10) if each * step >= most and (step > 1 or each % 2 == 0)
    )
    return max(2.0, found)


def _height(value: float, scale: float) -> float:
    bottom = HEIGHT - _BOTTOM
    return round(bottom - value / scale * (bottom - _TOP), 1)


def _apart(lines: list[PlotLine]) -> tuple[PlotLine, ...]:
    """The lines, with the numbers at their ends apart from each other."""
    heights: dict[int, float] = {}
    below = HEIGHT - _BOTTOM + _LINE_HEIGHT
    for place in sorted(range(len(lines)), key=lambda each: -lines[each].last.y):
        below = heights[place] = min(lines[place].last.y, below - _LINE_HEIGHT)
    return tuple(line._replace(label=heights[place]) for place, line in enumerate(lines))


def _line(series: Series, moments: Sequence[str], most: float, unit: str) -> PlotLine:
    step = (WIDTH - _LEFT - _RIGHT) / (len(moments) - 1)
    spots = tuple(
        Spot(
            round(_LEFT + number * step, 1),
            _height(value, most),
            f"{moment[:16].replace('T', ' ')}: {value:,g}{unit} {series.name}",
        )
        for number, (moment, value) in enumerate(zip(moments, series.values, strict=True))
    )
    path = "M" + "L".join(f"{spot.x} {spot.y}" for spot in spots)
    last = spots[-1]._replace(text=f"{series.values[-1]:,g}{unit}")
    return PlotLine(series.name, series.kind, path, spots, last, last.y)
