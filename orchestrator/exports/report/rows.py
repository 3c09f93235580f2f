"""The rows of the findings table: chosen ones, as columns of codes into lists of distinct values, in compact JSON.

A browser reads 50,000 rows so in a fraction of a second, and can search a column by looking at its distinct values.
This module imports pyarrow.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.exports.report.severities import WORST_FIRST
from orchestrator.model import MergedRow
from orchestrator.results.tables.columns import names_of
from orchestrator.results.tables.rows import numbers_of

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
        self._codes: dict[str, pa.Array] = {name: pa.array([], pa.int32()) for name in COLUMNS}

    def __len__(self) -> int:
        return len(self._codes["id"])

    def add(self, rows: pa.Table) -> None:
        """Add rows, which have each of `COLUMNS`."""
        for name in COLUMNS:
            known, found = self._values[name], [self._codes[name]]
            for chunk in rows[name].chunks:
                values, places = _distinct(chunk)
                codes = [known.setdefault(_plain(value), len(known)) for value in values]
                found.append(pa.array(codes, pa.int32()).take(places))
            self._codes[name] = pa.concat_arrays(found)

    def arrange(self, order: Sequence[int]) -> None:
        """Put the rows into this order."""
        places = pa.array(order, pa.int32())
        self._codes = {name: codes.take(places) for name, codes in self._codes.items()}

    def first(self, most: int) -> list[dict[str, Any]]:
        """The first rows."""
        shown = {name: codes.slice(0, most).to_pylist() for name, codes in self._codes.items()}
        lists = {name: list(values) for name, values in self._values.items()}
        return [{name: lists[name][shown[name][number]] for name in COLUMNS} for number in range(min(most, len(self)))]

    def values(self, column: str) -> list[Any]:
        """The distinct values of a column, in the order of their codes."""
        return list(self._values[column])

    def codes(self, column: str) -> list[int]:
        """For each row which of the column's values it has; nothing where all rows have the same."""
        return numbers_of(self._codes[column]) if len(self._values[column]) > 1 else []


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
    for number, name in enumerate(COLUMNS):
        # Numbers need no escapes, and there are a million of them.
        codes = msgspec.json.encode(rows.codes(name)).decode()
        yield f'{"," if number else ""}{_json(name)}:{{"values":{_json(rows.values(name))},"codes":{codes}}}'
    yield "}}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def _distinct(values: pa.Array) -> tuple[list[Any], pa.Array]:
    """The distinct values of a column, in the order of their first rows, and of each row which of them it has."""
    if not pa.types.is_list(values.type):
        coded = values.dictionary_encode("encode")
        return coded.dictionary.to_pylist(), coded.indices
    texts = values.flatten()
    if values.null_count or texts.null_count or pc.any(pc.match_substring(texts, _BETWEEN)).as_py():
        return values.to_pylist(), pa.array(range(len(values)), pa.int32())
    # Arrow has no dictionaries of lists: their lengths and texts in one text, of which no two lists have the same.
    lengths = pc.cast(pc.list_value_length(values), pa.string())
    coded = pc.binary_join_element_wise(lengths, pc.binary_join(values, _BETWEEN), _BETWEEN).dictionary_encode()
    firsts = pc.index_in(pa.array(range(len(coded.dictionary)), coded.indices.type), coded.indices)
    return values.take(firsts).to_pylist(), coded.indices


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
