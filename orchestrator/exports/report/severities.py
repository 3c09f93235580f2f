"""Findings by severity: as tuples, and as seven columns of an Arrow table that it can sum by any key.

This module imports pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Counts = tuple[int, ...]
"""Findings by severity, in the order of `WORST_FIRST`."""
WORST_FIRST = tuple(reversed(Severity))
NOTHING: Counts = (0,) * len(WORST_FIRST)
NAMES = tuple(f"n{number}" for number in range(len(WORST_FIRST)))
"""Names of the columns that `with_severities` adds."""

_WORDS = pa.array([severity.value for severity in WORST_FIRST])


def add(one: Counts, other: Counts) -> Counts:
    """The sum of two counts."""
    return tuple(map(sum, zip(one, other, strict=True)))


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    return tuple(map(sum, zip(NOTHING, *counts, strict=True)))


def with_severities(table: pa.Table) -> pa.Table:
    """The table, with a column for each severity that is 1 where the finding has it; and its place as `rank`."""
    rank = pc.fill_null(pc.index_in(table["severity"], value_set=_WORDS), len(NAMES) - 1)
    for number, name in enumerate(NAMES):
        table = table.append_column(name, pc.cast(pc.equal(rank, number), pa.int64()))
    return table.append_column("rank", rank)


def tally(table: pa.Table, keys: Sequence[str], *more: str) -> pa.Table:
    """Findings by severity, and the sums of more columns, for each key; the columns keep their names."""
    sums = [(name, "sum") for name in (*NAMES, *more)]
    summed = table.group_by(list(keys), use_threads=False).aggregate(sums)
    return summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])


def read_tally(parts: Sequence[Any], keys: Sequence[str]) -> dict[tuple[str, ...], Counts]:
    """What several tallies by the same keys say together."""
    if not parts:
        return {}
    table = tally(pa.concat_tables(parts), keys)
    names = zip(*(table[key].to_pylist() for key in keys), strict=True)
    return dict(zip(names, zip(*(table[name].to_pylist() for name in NAMES), strict=True), strict=True))


def count_rows(table: pa.Table) -> Counts:
    """The rows of a table that `with_severities` made, by severity."""
    return tuple(pc.sum(table[name]).as_py() or 0 for name in NAMES)


def count_true(column: Any) -> int:
    """How many values of a column of truths are true."""
    return pc.sum(column).as_py() or 0
