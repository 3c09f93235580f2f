"""Ledger and findings as pandas DataFrames; `docs/results.md` lists every column and its dtype.

This module imports pandas and pyarrow, which takes a third of a second: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.kit.advice import resuming
from orchestrator.kit.text import read_csv_cell
from orchestrator.model import FindingRow, LedgerRow, MergedRow, Severity
from orchestrator.results.deletions import DELETED
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import suspects
from orchestrator.results.tables.columns import SEPARATOR, ColumnKind, columns_of, dtype_of, values_at
from orchestrator.results.tables.rows import count_rows, deleted_targets, mark, without
from orchestrator.results.tables.schema import completed, schema_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from orchestrator.model import Document, Ledger
    from orchestrator.results.tables.columns import Column
    from orchestrator.volume.layout import Volume

_LISTS = pd.ArrowDtype(pa.list_(pa.string()))


def read_findings(volume: Volume, run: str) -> pd.DataFrame:
    """Every finding of a run, one row per cell and finding, in the order of the ledger.

    Returns:
        The columns of `FindingRow`, with the dtypes of `docs/results.md`: `severity` an ordered category, numbers NaN
        and texts `""` where there is none, lists as Arrow has them. The dtypes are the same when there are no findings.

    Raises:
        NoResultsError: the run has no findings file.
    """
    frame = _frame(_read(volume.results(run) / "findings.parquet", FindingRow, run), FindingRow)
    reasons = {f"{target}/{scan}": reason for (target, scan), reason in suspects(volume, run).items()}
    frame["suspect"] = frame["cell"].map(reasons).fillna("").astype("str") if reasons else ""
    frame = frame.astype({"suspect": "str"})
    return frame[~frame["suspect"].str.startswith(DELETED)].reset_index(drop=True) if reasons else frame


def read_merged(
    volume: Volume, run: str, *, targets: Collection[str] | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """What all scans of a run found, merged: one row per target and thing found, in the order of the plan's targets.

    Args:
        volume: where the run lies.
        run: id of the run.
        targets: ids of the targets to read; None for all.
        columns: of `MergedRow`, those to read; None for all.

    Returns:
        The columns of `MergedRow`, with the dtypes of `docs/results.md`: `severity` an ordered category, numbers NaN,
        moments NaT and texts `""` where there is none, lists as Arrow has them. The dtypes are the same when there are
        no findings.

    Raises:
        NoResultsError: the run has no such file.
    """
    chosen = None if targets is None else [("target", "in", set(targets) or {""})]
    doubts = suspects(volume, run)
    table = _read(volume.results(run) / "merged.parquet", MergedRow, run, chosen, columns)
    if {"suspect", "target", "found_by"} <= set(table.column_names):
        table = mark(table, doubts)
    if "target" in table.column_names:
        table = without(table, deleted_targets(doubts))
    return _frame(table, MergedRow)


def count_merged(volume: Volume, run: str) -> tuple[dict[Severity, int], int]:
    """Merged findings of a run that are not suppressed by severity, the worst first, and how many are suppressed.

    Raises:
        NoResultsError: there is no such file, or it is damaged.
    """
    path, deleted = volume.results(run) / "merged.parquet", deleted_targets(suspects(volume, run))
    if not path.exists():
        raise NoResultsError(f"{path}: the run has no merged findings: {resuming(run)} makes them")
    try:
        table = without(pq.read_table(path, columns=["severity", "suppressed", "target"]), deleted)
    except (pa.ArrowException, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error}; {resuming(run)} makes it again") from error
    counts, suppressed = count_rows(table)
    return {severity: counts[severity] for severity in reversed(Severity) if severity in counts}, suppressed


def _read(
    path: Path, row: type[Document], run: str, chosen: Any = None, columns: Sequence[str] | None = None
) -> pa.Table:
    if not path.exists():
        raise NoResultsError(f"{path}: the run left no such file: {resuming(run)} makes it out of its reports")
    try:
        table = pq.read_table(path, schema=schema_of(row), filters=chosen, columns=columns and list(columns))
    except (pa.ArrowException, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error}; {resuming(run)} makes it again") from error
    return completed(table, row)


def _frame(table: pa.Table, row: type[Document]) -> pd.DataFrame:
    """A table as a DataFrame with the documented dtypes."""
    frame: pd.DataFrame = table.to_pandas(types_mapper={_LISTS.pyarrow_dtype: _LISTS}.get)
    known = [column for column in columns_of(row) if column.name in frame]
    return frame.assign(**{column.name: _typed(frame[column.name], column) for column in known})


def _typed(values: pd.Series[Any], column: Column) -> pd.Series[Any]:
    """A column with the dtype of its kind, where Arrow gives it another."""
    if column.kind is ColumnKind.MOMENT:
        moments = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce")
        return moments.astype("datetime64[us, UTC]")
    if column.kind is ColumnKind.TEXT:
        return values.fillna("").astype("str")
    if column.kind.is_list:
        return values.astype(_LISTS)
    if column.kind is ColumnKind.WORD:
        return values.astype(pd.CategoricalDtype([each.value for each in column.item], ordered=column.item is Severity))
    dtype: Any = dtype_of(column)
    return values.astype(dtype)


def read_findings_csv(path: Path) -> pd.DataFrame:
    """Read `findings.csv` back as `read_findings` gives it, escapes and the guard against formulas taken off again.

    A list whose values hold a `;` themselves comes back split at it: the Parquet file is the exact one.
    """
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = {}
    for column in columns_of(FindingRow):  # of a version that did not have it yet as its type says
        texts = frame[column.name] if column.name in frame else [None] * len(frame)
        read = _OF_CSV.get(column.kind, read_csv_cell)
        values = [column.default if text is None else read(text) for text in texts]
        columns[column.name] = _typed(pd.Series(values, dtype="object"), column)
    return pd.DataFrame(columns)


def explode_references(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each name of the target in place of one with all of them: `references` becomes `reference` (`str`).

    Takes a frame of findings or of the ledger; the index counts again.
    """
    exploded = frame.explode("references", ignore_index=True).rename(columns={"references": "reference"})
    return exploded.astype({"reference": "str"})


def ledger_frame(ledger: Ledger) -> pd.DataFrame:
    """The ledger, one row per cell in the plan's order.

    Returns:
        The columns of `LedgerRow`, with the dtypes of `docs/results.md`: moments NaT, numbers NA where there is none.
    """
    return frame_of(ledger.rows, LedgerRow)


def frame_of(rows: Sequence[Document], row: type[Document]) -> pd.DataFrame:
    """Typed rows as a DataFrame, with the columns and dtypes of their type.

    Args:
        rows: all of that type.
        row: their type.
    """
    columns = {}
    for column in columns_of(row):
        columns[column.name] = _typed(pd.Series(list(values_at(rows, column)), dtype="object"), column)
    return pd.DataFrame(columns)


def _split(cell: str) -> list[str]:
    text = read_csv_cell(cell)
    return text.split(SEPARATOR) if text else []


_OF_CSV: dict[ColumnKind, Callable[[str], Any]] = {
    ColumnKind.NUMBER: lambda text: float(text) if text else None,
    ColumnKind.COUNT: lambda text: int(text) if text else None,
    ColumnKind.TRUTH: lambda text: text == "true" if text else None,
    ColumnKind.WORD: lambda text: text or None,
    ColumnKind.WORDS: _split,
    ColumnKind.PAIRS: _split,
}
