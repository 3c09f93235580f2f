"""Rows of a run's findings, recognised by a key; a finding is made only of those whose key is new.

Most rows say what the store has already, of another target or since yesterday. A key is made of whole columns, some
thousand rows at once, which costs a tenth of what making findings of them does.

This module imports pyarrow: import it where it is used.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.model import MergedFinding
from orchestrator.results.ledger import seconds
from orchestrator.results.tables.columns import columns_of
from orchestrator.results.tables.rows import build, each_of, numbers_of, values_of
from orchestrator.store.facts import APART, Fact

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a fact says; the other columns differ from target to target, or from day to day.
_SAID = tuple(column.name for column in columns_of(MergedFinding) if column.name not in APART)
[_FOUND_BY] = [column for column in columns_of(MergedFinding) if column.name == "found_by"]
_BYTES = 16


class Piece(Protocol):
    """Some neighbouring rows."""

    @property
    def keys(self) -> Sequence[bytes]:
        """Of each row; equal ones say the same."""
        ...

    @property
    def things(self) -> Sequence[str]:
        """What each is about: the key of its finding."""
        ...

    @property
    def seen(self) -> Sequence[int]:
        """Since when each is known, in seconds since 1970; 0 where nobody said."""
        ...

    @property
    def found_by(self) -> Sequence[tuple[str, ...]]:
        """The scans that found each."""
        ...

    def facts(self, rows: Sequence[int]) -> list[Fact]:
        """What some of its rows say; raises ValueError where a value is none."""
        ...


class RowsOfPiece(NamedTuple):
    """Some rows of a piece, by their numbers in it."""

    piece: Piece
    rows: Sequence[int]

    @property
    def scans(self) -> set[str]:
        """The scans that found any of them."""
        return {scan for scans in {self.piece.found_by[row] for row in self.rows} for scan in scans}

    def of(self, scan: str) -> RowsOfPiece:
        """Those that a scan found."""
        return self._replace(rows=[row for row in self.rows if scan in self.piece.found_by[row]])


class MergedPiece:
    """Rows of a `merged.parquet`."""

    def __init__(self, table: Any) -> None:
        """Nothing is read yet.

        Args:
            table: a `pyarrow.Table` in one chunk, with the columns of `MergedFinding`.
        """
        self._table = table

    @cached_property
    def keys(self) -> list[bytes]:
        """Of each row."""
        coded = _spell(self._table).cast(pa.binary()).dictionary_encode()
        keys = [hashlib.blake2b(text, digest_size=_BYTES).digest() for text in coded.dictionary.to_pylist()]
        return [keys[code] for code in numbers_of(coded.indices)]

    @cached_property
    def things(self) -> list[str]:
        """What each row is about."""
        return each_of(self._table["key"].combine_chunks(), str)

    @cached_property
    def seen(self) -> list[int]:
        """Since when each row is known."""
        return each_of(self._table["first_seen"].combine_chunks(), seconds)

    @cached_property
    def found_by(self) -> Sequence[tuple[str, ...]]:
        """The scans that found each row."""
        return values_of(_FOUND_BY, self._table["found_by"])

    def targets(self) -> list[tuple[str, RowsOfPiece]]:
        """The rows of each target, in order."""
        runs = pc.run_end_encode(self._table["target"].combine_chunks())
        ends = pairwise([0, *runs.run_ends.to_pylist()])
        return [
            (target, RowsOfPiece(self, range(*of))) for target, of in zip(runs.values.to_pylist(), ends, strict=True)
        ]

    def facts(self, rows: Sequence[int]) -> list[Fact]:
        """What some of its rows say; raises ValueError where a value is none."""
        return [Fact.of(finding) for finding in build(MergedFinding, self._table.take(pa.array(rows, pa.int64())))]


class MadePiece:
    """Findings of one target that are made already: as its run merged them, or as a scan of it reported them."""

    def __init__(self, found: Sequence[MergedFinding]) -> None:
        self._facts = [Fact.of(finding) for finding in found]
        self.keys = [hashlib.blake2b(fact.document, digest_size=_BYTES).digest() for fact in self._facts]
        self.things = [finding.key for finding in found]
        moments = {moment: seconds(moment) for moment in {finding.first_seen for finding in found}}
        self.seen = [moments[finding.first_seen] for finding in found]
        self.found_by = [finding.found_by for finding in found]

    def facts(self, rows: Sequence[int]) -> list[Fact]:
        """What some of them say."""
        return [self._facts[row] for row in rows]


def digest_of(parts: Sequence[RowsOfPiece]) -> str:
    """The same as long as rows say the same, in the same order, and are known since the same time; never empty."""
    digest = hashlib.blake2b(b"".join([piece.keys[row] for piece, rows in parts for row in rows]), digest_size=_BYTES)
    digest.update(msgspec.json.encode([piece.seen[row] for piece, rows in parts for row in rows]))
    return digest.hexdigest()


def _spell(table: Any) -> Any:
    """Each row of a table as one text: different where what the rows say is different in any column.

    A text stands after its length, so no text of a scanner can look like the border between two of them.
    """
    spelt = [part for name in _SAID for part in _parts(table[name].combine_chunks())]
    return pc.binary_join_element_wise(*spelt, ":", null_handling="replace", null_replacement="")


def _parts(values: Any) -> list[Any]:
    """A column as arrays of texts, or one text for all rows; what is null becomes empty, which no length is."""
    if pa.types.is_string(values.type):
        return [_lengths(values), values]
    if not pa.types.is_list(values.type):
        return [values.cast(pa.string())]
    items = values.flatten()
    if not len(items):
        return ["0", ""]
    spelt = pc.binary_join_element_wise(_lengths(items), items, ":", null_handling="replace", null_replacement="")
    counts = pc.list_value_length(values)
    return [counts.cast(pa.string()), pc.binary_join(pa.ListArray.from_arrays(_offsets(counts), spelt), "")]


def _offsets(counts: Any) -> Any:
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(counts)])


def _lengths(texts: Any) -> Any:
    return pc.binary_length(texts).cast(pa.string())
