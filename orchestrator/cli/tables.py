"""Tables for people: fitted to a terminal, and the same plain text in every pipe.

In a terminal, what identifies a thing is never broken, references are shortened in the middle, and columns that find no
room are left out, which is said. In a pipe each row is one line without colours, whatever the terminal is.
"""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.cli.shortening import shorten
from orchestrator.kit.text import visible, visible_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

TableCell: TypeAlias = "str | Sequence[str]"
"""What stands in a cell of a table: a line, or several."""

Lines: TypeAlias = "Sequence[Sequence[Sequence[str]]]"
"""Rows of cells of lines, everything in them visible."""

#: Whether tables have every column at its full width, whatever the terminal is.
WIDE: ContextVar[bool] = ContextVar("WIDE", default=False)


class Fit(StrEnum):
    """What becomes of a column's text where a terminal is too narrow for it.

    Attributes:
        WHOLE: it stays whole, such as an id.
        NUMBER: the same, to the right.
        MIDDLE: it is shortened in the middle, such as a reference: its end has the tag.
        FOLD: it continues in further lines, such as a reason.
        CUT: its end is cut off, such as a title.
    """

    WHOLE = "whole"
    NUMBER = "number"
    MIDDLE = "middle"
    FOLD = "fold"
    CUT = "cut"


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Attributes:
        name: its heading.
        fit: what becomes of its text where there is no room.
        rank: 0 is always there; of the others the highest is left out first.
        coloured: whether its words have colours, such as `critical` and `failed`.
        least: cells below which it is of no use, where that is another number than for others of its fit.
    """

    name: str
    fit: Fit = Fit.WHOLE
    rank: int = 0
    coloured: bool = False
    least: int = 0


# Colours of the words in columns that have some; also of their first letter in the matrix of a plan.
_STYLES = {
    "critical": "bold red", "high": "red", "medium": "yellow", "low": "blue", "negligible": "dim", "unknown": "dim",
    "ok": "green", "failed": "bold red", "suspect": "bold red", "skipped": "yellow", "passed": "green",
    "broken": "bold red", "new": "red", "fixed": "green", "running": "cyan",
    "x": "bold green", "f": "bold red", "s": "yellow", "w": "cyan", "!": "bold red",
}  # fmt: skip
_GAP = "  "
#: By these rich takes its output for a terminal, whatever it looks like.
_TERMINAL_VARIABLES = ("FORCE_COLOR", "TTY_COMPATIBLE")
# What is aligned in a pipe, and what stays whole in a terminal: longer ids are a scanner's mistake, or worse.
_ALIGNED, _WHOLE = 120, 60
# Cells that a column has at least; without bound it is as wide as its text. `_BAREST` where ids leave no more.
_LEAST = {Fit.WHOLE: _WHOLE, Fit.NUMBER: _WHOLE, Fit.MIDDLE: 18, Fit.FOLD: 18, Fit.CUT: 12}
_BAREST = _LEAST | dict.fromkeys((Fit.MIDDLE, Fit.FOLD, Fit.CUT), 7)
_UNBOUND: dict[Fit, int] = {}


def style_of(word: str) -> str:
    """The colour of a word, such as a severity or an outcome; empty for none."""
    return _STYLES.get(word, "")


def console(*, stderr: bool = False) -> Console:
    """The terminal, without any escape sequence where `NO_COLOR` is set."""
    from rich.console import Console as RichConsole

    system: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return RichConsole(color_system=system, highlight=False, stderr=stderr)


def is_piped() -> bool:
    """Whether nobody looks at a terminal; told without rich where that is plain, because rich takes long to load."""
    plain = not sys.stdout.isatty() and not any(os.environ.get(name) for name in _TERMINAL_VARIABLES)
    return plain or not console().is_terminal


def room() -> int | None:
    """Cells that a table may have in this terminal; None where there is no bound, as in a pipe."""
    return None if is_piped() or WIDE.get() else console().width


def print_table(
    title: str, columns: Sequence[TableColumn], rows: Iterable[Sequence[TableCell]], wide: str = "--wide"
) -> None:
    """Print a table, as wide as the terminal; in a pipe, a line for each row.

    Args:
        title: above it; empty for none.
        columns: what they are, and what becomes of them where there is no room.
        rows: a cell for each column.
        wide: what shows the columns that found no room.
    """
    lines = _visible(rows)
    if is_piped():
        _print_plain(title, columns, lines)
        return
    from rich.text import Text

    terminal = console()
    if WIDE.get():
        terminal.width, shown = max(terminal.width, _width(columns, columns, lines, _UNBOUND)), columns
    else:
        shown = fitting(columns, lines, terminal.width)
        terminal.width = max(terminal.width, _width(columns, shown, lines, _BAREST))
    if title:
        terminal.print(Text(visible(title), style="bold"), soft_wrap=True)
    terminal.print(_table(columns, shown, lines), crop=False)
    filled = [column for at, column in enumerate(columns) if any(any(row[at]) for row in lines)]
    if left := [column.name for column in filled if column not in shown]:
        terminal.print(Text(f"{wide} shows also: {', '.join(left)}", style="dim"))
    terminal.print()


def print_text(sentence: str) -> None:
    """Print a sentence; a terminal gets lines that end between words, a pipe gets one."""
    print_words([(sentence, "")])


def print_words(words: Sequence[tuple[str, str]]) -> None:
    """The same of parts that have colours of their own.

    Args:
        words: text and style of each.
    """
    parts = [(visible_message(text), style) for text, style in words]
    if is_piped():
        sys.stdout.write("".join(text for text, _ in parts) + "\n")
        return
    from rich.text import Text

    console().print(Text.assemble(*parts, overflow="ignore"), crop=False)


def make_table(columns: Sequence[TableColumn], rows: Iterable[Sequence[TableCell]], width: int) -> Table:
    """A table that fits a width, for a picture that is drawn again and again."""
    lines = _visible(rows)
    return _table(columns, fitting(columns, lines, width), lines)


def fitting(columns: Sequence[TableColumn], rows: Lines, width: int) -> Sequence[TableColumn]:
    """The columns that have any text, and for which a width has room, each at its least."""
    shown = [column for at, column in enumerate(columns) if not column.rank or any(any(row[at]) for row in rows)]
    least = dict(zip(columns, _widths(columns, rows, _LEAST), strict=True))
    while sum(least[column] + len(_GAP) for column in shown) - len(_GAP) > width:
        last = max(shown, key=lambda column: column.rank)
        if not last.rank:
            break
        shown.remove(last)
    # Where ids that are never broken leave no room even for the barest, a column that says nothing goes, too.
    empty = [column for at, column in enumerate(columns) if column in shown and not any(any(row[at]) for row in rows)]
    while empty and rows and _width(columns, shown, rows, _BAREST) > width:
        shown.remove(empty.pop())
    return shown


def _visible(rows: Iterable[Sequence[TableCell]]) -> Lines:
    return [[[visible(line) for line in ([cell] if isinstance(cell, str) else cell)] for cell in row] for row in rows]


def _print_plain(title: str, columns: Sequence[TableColumn], rows: Lines) -> None:
    """Columns with two blanks between them, several lines of a cell as one."""
    from rich.cells import cell_len

    texts = [[visible(column.name) for column in columns]]
    texts += ([", ".join(filter(None, map(str.strip, cell))) for cell in row] for row in rows)
    widths = [min(max(map(cell_len, column)), _ALIGNED) for column in zip(*texts, strict=True)]
    if title:
        sys.stdout.write(f"{visible(title)}\n")
    for row in texts:
        cells = []
        for text, width, column in zip(row, widths, columns, strict=True):
            blanks = " " * (width - cell_len(text))
            cells.append(blanks + text if column.fit is Fit.NUMBER else text + blanks)
        sys.stdout.write(f"{_GAP.join(cells).rstrip()}\n")


def _width(columns: Sequence[TableColumn], shown: Sequence[TableColumn], rows: Lines, bounds: Mapping[Fit, int]) -> int:
    """Cells that the columns which are shown need, of rows that have all of them."""
    widths = dict(zip(columns, _widths(columns, rows, bounds), strict=True))
    return sum(widths[column] for column in shown) + len(_GAP) * (len(shown) - 1)


def _widths(columns: Sequence[TableColumn], rows: Lines, bounds: Mapping[Fit, int]) -> list[int]:
    """Cells that each column needs, its text shortened to a bound where there is one for its fit."""
    from rich.cells import cell_len

    found = []
    for at, column in enumerate(columns):
        longest = max((cell_len(line) for row in rows for line in row[at]), default=0)
        bound = column.least if column.least and bounds is _LEAST else bounds.get(column.fit, longest)
        found.append(max(min(longest, bound), cell_len(column.name)))
    return found


def _table(columns: Sequence[TableColumn], shown: Sequence[TableColumn], rows: Lines) -> Table:
    from rich import box
    from rich.table import Table as RichTable

    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column in shown:
        whole = column.fit in {Fit.WHOLE, Fit.NUMBER}
        table.add_column(
            visible(column.name),
            no_wrap=whole,
            max_width=_WHOLE if whole and not WIDE.get() else None,
            justify="right" if column.fit is Fit.NUMBER else "left",
        )
    places = [columns.index(column) for column in shown]
    for row in rows:
        table.add_row(*(_cell(row[at], columns[at]) for at in places))
    return table


def _cell(lines: Sequence[str], column: TableColumn) -> Text | _Shortened:
    from rich.text import Text as RichText

    if column.fit is Fit.MIDDLE:
        return _Shortened(lines)
    style = style_of(lines[0]) if column.coloured and lines else ""
    cut = column.fit is not Fit.FOLD
    return RichText("\n".join(lines), style=style, no_wrap=cut, overflow="ellipsis" if cut else "fold")


class _Shortened:
    """Lines that are shortened to the width they get."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.cells import cell_len
        from rich.measure import Measurement as RichMeasurement

        widest = max(map(cell_len, self._lines), default=1)
        return RichMeasurement(min(widest, _BAREST[Fit.MIDDLE]), widest).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text as RichText

        for line in self._lines:
            yield RichText(shorten(line, options.max_width), no_wrap=True, overflow="crop")
