"""Lines over time as SVG: findings by severity, coverage and age of what is known, run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The drawing, in units of its own: width, height, and the margins that its labels need.
WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 12, 56, 16, 24


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


class PlotLine(NamedTuple):
    """A series where it is drawn."""

    name: str
    kind: str
    path: str
    spots: tuple[Spot, ...]
    last: Spot


class Plot(NamedTuple):
    """A drawing of some series with one scale."""

    title: str
    lines: tuple[PlotLine, ...]
    most: float
    unit: str
    begin: str
    end: str
    width: int = WIDTH
    height: int = HEIGHT
    top: int = _TOP
    baseline: int = HEIGHT - _BOTTOM


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
    lines = tuple(_line(each, moments, top or most or 1.0, unit) for each in series)
    return Plot(title, lines, most, unit, moments[0][:10], moments[-1][:10])


def _line(series: Series, moments: Sequence[str], most: float, unit: str) -> PlotLine:
    step = (WIDTH - _LEFT - _RIGHT) / (len(moments) - 1)
    bottom = HEIGHT - _BOTTOM
    spots = tuple(
        Spot(
            round(_LEFT + number * step, 1),
            round(bottom - value / most * (bottom - _TOP), 1),
            f"{moment[:16].replace('T', ' ')}: {value:,g}{unit} {series.name}",
        )
        for number, (moment, value) in enumerate(zip(moments, series.values, strict=True))
    )
    path = "M" + "L".join(f"{spot.x} {spot.y}" for spot in spots)
    return PlotLine(series.name, series.kind, path, spots, spots[-1]._replace(text=f"{series.values[-1]:,g}{unit}"))
