"""How a CSV is laid out: which character separates its columns, as spreadsheets of different countries write it.

A spreadsheet separates by what its country does not use in numbers: commas, or `;` where `1,5` is a number. Its first
line may say so (`sep=;`). In the list of targets `;` also separates scans, so a file that is separated by it is read
only where no cell can mean two things.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

COMMA, TAB, SEMICOLON = ",", "\t", ";"
_SEPARATORS = (COMMA, TAB, SEMICOLON)
_NAMES = {COMMA: "commas", TAB: "tabs", SEMICOLON: "';'", "|": "'|'"}
_DECLARED = "sep="
_INVISIBLE = "\ufeff\u200b\u200e\u2060"
_EMPTY_CELLS = f' "\r\n{"".join(_SEPARATORS)}'


class Layout(NamedTuple):
    """What is known of a file before its rows are read.

    Attributes:
        separator: between columns.
        declared: whether the first line of the file says so, and is no row.
    """

    separator: str
    declared: bool = False


def layout_of(text: str, wanted: Collection[str]) -> Layout:
    """The layout of a file.

    Args:
        text: all of it.
        wanted: names of columns, in lower case, of which one must be there.

    Returns:
        The first separator by which the line with the names has a wanted one; commas, or tabs alone, where none does.
    """
    first = next(_contents(text), "")
    if separator := _declared(first):
        return Layout(separator, declared=True)
    for separator in _SEPARATORS:
        if set(wanted) & set(names_in(first, separator)):
            return Layout(separator)
    return Layout(TAB if TAB in first and COMMA not in first else COMMA)


def names_columns(text: str, wanted: Collection[str]) -> bool:
    """Whether the first line has one of the names that are wanted, whatever separates it from others."""
    first = next(_contents(text), "")
    return first.lower().lstrip('"').startswith(_DECLARED) or any(
        set(wanted) & set(names_in(first, each)) for each in _SEPARATORS
    )


def name_of(cell: str) -> str:
    """The name of a column, without blanks and without the marks that nobody sees (a second byte order mark)."""
    return cell.strip().strip(_INVISIBLE).strip()


def seems_separated_by(names: Sequence[str]) -> str:
    """For a message: by what the names of the columns seem to be separated, when they were taken for one."""
    if len(names) > 1:
        return ""
    if names and COMMA in names[0]:
        return "; its lines seem to be in quotes as a whole, each one cell: save it without them"
    found = next((name for each, name in _NAMES.items() if each in names[0]), "") if names else ""
    return f"; its columns seem to be separated by {found}" if found else ""


def names_in(line: str, separator: str) -> list[str]:
    """The names of columns in a line, in lower case; none where it cannot be read so."""
    try:
        return [name_of(name).lower() for name in next(csv.reader([line], delimiter=separator, strict=True), [])]
    except csv.Error:
        return []


def means_two_things(columns: Sequence[str], cells: Sequence[str], scans: Collection[str]) -> str:
    """Why a row of a file that is separated by `;` cannot be distinguished from one whose scans are; empty when it can.

    `a;general;virus` may be an image with two scans, or with one and an owner of that name.
    """
    if any(cells[len(columns) :]):
        return f"{len(cells)} cells for {len(columns)} columns"
    named = (cell for column, cell in zip(columns, cells, strict=False) if column != "scans")
    found = next((cell for cell in named if cell in scans), "")
    return f"{found!r} is the name of a scan, but stands in another column" if found else ""


def _declared(line: str) -> str:
    """The separator that a first line `sep=;` declares, as spreadsheets write it back: `"sep=;"`, `sep=;;;`."""
    before, declared, separator = line.strip(" \r\n").replace('"', "").partition("=")
    same = separator[:1] if separator.strip(separator[:1]) == "" else ""
    return same if f"{before.lower()}{declared}" == _DECLARED and same in _SEPARATORS else ""


def _contents(text: str) -> Iterator[str]:
    """Lines that are neither blank (a row of empty cells is, too) nor a comment, be it in quotes."""
    return (line for line in text.splitlines() if (said := line.strip(_EMPTY_CELLS)) and not said.startswith("#"))
