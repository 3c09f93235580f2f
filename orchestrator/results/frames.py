"""Ledger and findings as pandas DataFrames; `docs/results.md` lists every column and its dtype.

This module imports pandas and pyarrow, which takes a third of a second: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.model import LedgerRow, Outcome, Severity
from orchestrator.results.interface import NoResultsError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.model import Ledger
    from orchestrator.volume import Volume

#: Columns of the findings in order: text, except the two lists and the score.
FINDING_COLUMNS = (
    "run",
    "cell",
    "target",
    "references",
    "digest",
    "platform",
    "scan",
    "scanner",
    "scanner_version",
    "database_version",
    "kind",
    "id",
    "aliases",
    "severity",
    "cvss_score",
    "cvss_version",
    "cvss_vector",
    "title",
    "package",
    "version",
    "purl",
    "location",
    "fixed_version",
)
LIST_COLUMNS = ("references", "aliases")
SEPARATOR = ";"
"""Between the values of a list in a CSV cell."""

_NUMBERS = ("cvss_score",)


def finding_schema() -> pa.Schema:
    """The Arrow schema of `findings.parquet`; the same with no finding at all."""
    lists, numbers = dict.fromkeys(LIST_COLUMNS, pa.list_(pa.string())), dict.fromkeys(_NUMBERS, pa.float64())
    return pa.schema([(column, (lists | numbers).get(column, pa.string())) for column in FINDING_COLUMNS])


def read_findings(volume: Volume, run: str) -> pd.DataFrame:
    """Every finding of a run, one row per cell and finding, in the order of the ledger.

    Returns:
        The columns of `FINDING_COLUMNS`: `severity` an ordered category (`unknown` < `none` < … < `critical`),
        `cvss_score` float64 with NaN for none, `references` and `aliases` Arrow lists of strings, all others `str`
        with `""` for none. The dtypes are the same when there are no findings.

    Raises:
        NoResultsError: the run has no findings file.
    """
    path = volume.results(run) / "findings.parquet"
    if not path.exists():
        raise NoResultsError(f"{path}: no findings of run {run}; run it, or aggregate what is there of it")
    try:
        table = pq.read_table(path, schema=finding_schema())
    except (pa.ArrowException, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error}; aggregate run {run} again") from error
    lists = pa.list_(pa.string())
    frame: pd.DataFrame = table.to_pandas(types_mapper={lists: pd.ArrowDtype(lists)}.get)
    return frame.astype({"severity": _severities()})


def read_findings_csv(path: Path) -> pd.DataFrame:
    """Read `findings.csv` back as `read_findings` gives it, the guard against formulas taken off again.

    A list whose values hold a `;` themselves comes back split at it: the Parquet file is the exact one.
    """
    lists = pd.ArrowDtype(pa.list_(pa.string()))
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values={column: [""] for column in _NUMBERS})
    for column in FINDING_COLUMNS:
        if column not in _NUMBERS:
            frame[column] = frame[column].str.removeprefix("'")
    for column in LIST_COLUMNS:
        frame[column] = pd.Series([_split(value) for value in frame[column]], dtype=lists, index=frame.index)
    return frame.astype({"severity": _severities()} | dict.fromkeys(_NUMBERS, "float64"))


def explode_references(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each name of the target in place of one with all of them: `references` becomes `reference` (`str`).

    Takes a frame of findings or of the ledger; the index counts anew.
    """
    exploded = frame.explode("references", ignore_index=True).rename(columns={"references": "reference"})
    return exploded.astype({"reference": "str"})


def ledger_frame(ledger: Ledger) -> pd.DataFrame:
    """The ledger, one row per cell in the plan's order.

    Returns:
        A column per field of `LedgerRow`: `started` and `finished` datetime64[us, UTC] (NaT for never), `attempts`
        int64, `findings` and `components` Int64 (NA unless ok), `database_age` Int64 (NA where it is not known),
        `outcome` a category of ok, failed and skipped,
        `references` and `owners` Arrow lists of strings, all others `str`.
    """
    lists = pd.ArrowDtype(pa.list_(pa.string()))
    special: dict[str, Any] = {
        "attempts": "int64",
        "findings": "Int64",
        "components": "Int64",
        "database_age": "Int64",
        "references": lists,
        "owners": lists,
        "outcome": pd.CategoricalDtype([outcome.value for outcome in Outcome]),
    }
    times = ("started", "finished")
    columns: dict[str, Any] = {}
    for field in LedgerRow.__struct_fields__:
        values = [getattr(row, field) for row in ledger.rows]
        if field in times:
            columns[field] = pd.to_datetime(pd.Series(values, dtype="str"), utc=True, format="ISO8601", errors="coerce")
            columns[field] = columns[field].astype("datetime64[us, UTC]")
        elif special.get(field) is lists:
            columns[field] = pd.Series([list(value) for value in values], dtype=lists)
        else:
            columns[field] = pd.Series(values, dtype=special.get(field, "str"))
    return pd.DataFrame(columns)


def count_severities(frame: pd.DataFrame) -> dict[str, dict[Severity, int]]:
    """Findings by severity for each cell that has any, as `policy.judge` takes them."""
    counts: dict[str, dict[Severity, int]] = {}
    for key, count in frame.groupby(["cell", "severity"], observed=True, sort=False).size().items():
        cell, severity = cast("tuple[str, str]", key)
        counts.setdefault(cell, {})[Severity(severity)] = int(count)
    return counts


def _severities() -> pd.CategoricalDtype:

    return pd.CategoricalDtype([severity.value for severity in Severity], ordered=True)


def _split(value: str) -> list[str]:
    return value.split(SEPARATOR) if value else []
