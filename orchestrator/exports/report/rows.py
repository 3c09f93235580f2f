"""The rows of the findings table: chosen ones, as columns of codes into lists of distinct values, in compact JSON.

A browser reads 50,000 rows so in a fraction of a second, and can search a column by looking at its distinct values.
This module imports pyarrow.
"""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.exports.report.severities import WORST_FIRST
from orchestrator.model import MergedRow
from orchestrator.results.tables.columns import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.results.tables.rows import MergedFile

# What belongs to the target, and comes from the ledger; and what no reader of the page asks for.
_ELSEWHERE = frozenset({"run", "references", "owners", "digest", "indexes", "platform", "suspect"})
_LEFT_OUT = frozenset({"key", "counts", "cvss_version"})
#: What the table and its details show, as `docs/results.md` describes the columns.
COLUMNS = tuple(name for name in names_of(MergedRow) if name not in _ELSEWHERE | _LEFT_OUT)
# A scanner's words may be of any length; in the report they are bounded, the files beside it have all of them.
_LONGEST, _LONGEST_LIST = 300, 8
_RANKS = {severity.value: rank for rank, severity in enumerate(WORST_FIRST)}
_BETWEEN = "\x1f"
# What could end the script element early, or is no part of JavaScript before ES2019.
_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029", "\x7f": "\\u007f"}
)


class ReportRows:
    """Chosen rows of the merged findings, column by column."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Any, int]] = {name: {} for name in COLUMNS}
        self._codes = {name: array("I") for name in COLUMNS}

    def __len__(self) -> int:
        return len(self._codes["id"])

    def add(self, rows: pa.Table) -> None:
        """Add rows, which have each of `COLUMNS`."""
        for name in COLUMNS:
            known = self._values[name]
            for chunk in rows[name].chunks:
                values, places = _distinct(chunk)
                codes = [known.setdefault(_plain(value), len(known)) for value in values]
                self._codes[name].extend([codes[place] for place in places])

    def arrange(self, order: Sequence[int]) -> None:
        """Put the rows into this order."""
        for name, codes in self._codes.items():
            self._codes[name] = array("I", [codes[place] for place in order])

    def first(self, most: int) -> list[dict[str, Any]]:
        """The first rows."""
        lists = {name: list(values) for name, values in self._values.items()}
        return [
            {name: lists[name][self._codes[name][number]] for name in COLUMNS} for number in range(min(most, len(self)))
        ]

    def values(self, column: str) -> list[Any]:
        """The distinct values of a column, in the order of their codes."""
        return list(self._values[column])

    def columns(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each column: its distinct values, and for each row which of them; no codes where all rows have the same."""
        for name, codes in self._codes.items():
            values = self.values(name)
            yield name, {"values": values, "codes": codes.tolist() if len(values) > 1 else []}


def read_rows(file: MergedFile, chosen: Sequence[int]) -> ReportRows:
    """Read chosen rows.

    Args:
        file: the merged findings.
        chosen: numbers of rows, in the order wanted.

    Raises:
        NoResultsError: the file is damaged.
    """
    rows, places = ReportRows(), sorted(chosen)
    begin = 0
    for number, group in enumerate(file.groups()):
        end = begin
        while end < len(places) and places[end] < group.stop:
            end += 1
        if end > begin:
            wanted = pa.array([place - group.start for place in places[begin:end]])
            table = file.read(number, COLUMNS).take(wanted)
            rows.add(table)
        begin = end
    where = {place: position for position, place in enumerate(places)}
    rows.arrange([where[place] for place in chosen])
    return rows


def spell(head: Mapping[str, Any], rows: ReportRows) -> Iterator[str]:
    """The JSON of the table, safe inside of a script element, piece by piece.

    Args:
        head: what else the page needs to know.
        rows: the rows, which go into `columns`.
    """
    yield f'{{"head":{_json(head)},"rows":{len(rows)},"columns":{{'
    for number, (name, column) in enumerate(rows.columns()):
        yield f"{',' if number else ''}{_json(name)}:{_json(column)}"
    yield "}}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def _distinct(values: pa.Array) -> tuple[list[Any], list[int]]:
    """The distinct values of a column, in the order of their first rows, and of each row which of them it has."""
    if not pa.types.is_list(values.type):
        coded = values.dictionary_encode("encode")
        return coded.dictionary.to_pylist(), coded.indices.to_pylist()
    texts = values.flatten()
    if values.null_count or texts.null_count or pc.any(pc.match_substring(texts, _BETWEEN)).as_py():
        return values.to_pylist(), list(range(len(values)))
    # Arrow has no dictionaries of lists: their lengths and texts in one text, of which no two lists have the same.
    lengths = pc.cast(pc.list_value_length(values), pa.string())
    coded = pc.binary_join_element_wise(lengths, pc.binary_join(values, _BETWEEN), _BETWEEN).dictionary_encode()
    firsts = pc.index_in(pa.array(range(len(coded.dictionary)), coded.indices.type), coded.indices)
    return values.take(firsts).to_pylist(), coded.indices.to_pylist()


def _plain(value: Any) -> Any:
    """A value that can be a key and goes into JSON: texts and lists bounded."""
    if isinstance(value, str):
        return _clip(value)
    if isinstance(value, list):
        shown = [_clip(each) for each in value[:_LONGEST_LIST]]
        return (*shown, *([f"… and {len(value) - _LONGEST_LIST} more"] if len(value) > _LONGEST_LIST else ()))
    return value if value == value else None  # noqa: PLR0124 - NaN is not JSON


def _clip(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
