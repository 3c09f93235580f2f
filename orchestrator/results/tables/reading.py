"""Ledger and findings as pandas DataFrames; `docs/results.md` lists every column and its dtype.

This module imports pandas and pyarrow, which takes a third of a second: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestrator.kit.text import read_csv_cell
from orchestrator.model import LedgerRow, Outcome, Severity
from orchestrator.results.interface import NoResultsError
from orchestrator.results.ledger import suspects

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from orchestrator.model import Ledger
    from orchestrator.volume.layout import Volume

#: Columns of the findings in order: text, except the two lists and the score.
FINDING_COLUMNS = (
    "run",
    "cell",
    "target",
    "references",
    "digest",
    "indexes",
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
    "place",
    "fixed_version",
    "suppressed",
    "suppressed_by",
    "suppressed_reason",
    "justification",
    "suspect",
)
#: Columns of the merged findings in order: a row for each target and thing found, whoever found it.
MERGED_COLUMNS = (
    "run",
    "target",
    "references",
    "owners",
    "digest",
    "indexes",
    "platform",
    "key",
    "kind",
    "id",
    "aliases",
    "severity",
    "severities",
    "cvss_score",
    "cvss_version",
    "cvss_vector",
    "epss",
    "kev",
    "title",
    "package",
    "version",
    "purl",
    "ecosystem",
    "locations",
    "count",
    "counts",
    "places",
    "fixed_version",
    "found_by",
    "not_found_by",
    "not_scanned_by",
    "suppressed_in",
    "first_seen",
    "vex",
    "suppressed",
    "suppressed_by",
    "suppressed_reason",
    "suppressed_until",
    "justification",
    "rules",
    "suspect",
)
LIST_COLUMNS = frozenset(
    {
        "references",
        "owners",
        "indexes",
        "aliases",
        "severities",
        "locations",
        "counts",
        "places",
        "found_by",
        "not_found_by",
        "not_scanned_by",
        "suppressed_in",
        "rules",
    }
)
SEPARATOR = ";"
"""Between the values of a list in a CSV cell."""

_NUMBERS = frozenset({"cvss_score", "epss"})
_COUNTS = frozenset({"count"})
_TRUTHS = frozenset({"kev"})
_MOMENTS = frozenset({"first_seen", "suppressed_until"})


def finding_schema() -> pa.Schema:
    """The Arrow schema of `findings.parquet`; the same with no finding at all."""
    return _schema(FINDING_COLUMNS)


def merged_schema() -> pa.Schema:
    """The Arrow schema of `merged.parquet`; the same with no finding at all."""
    return _schema(MERGED_COLUMNS)


def _schema(columns: Sequence[str]) -> pa.Schema:
    special = (
        dict.fromkeys(LIST_COLUMNS, pa.list_(pa.string()))
        | dict.fromkeys(_NUMBERS, pa.float64())
        | dict.fromkeys(_COUNTS, pa.int64())
        | dict.fromkeys(_TRUTHS, pa.bool_())
    )
    return pa.schema([(column, special.get(column, pa.string())) for column in columns])


def read_findings(volume: Volume, run: str) -> pd.DataFrame:
    """Every finding of a run, one row per cell and finding, in the order of the ledger.

    Returns:
        The columns of `FINDING_COLUMNS`: `severity` an ordered category (`unknown` < `none` < … < `critical`),
        `cvss_score` float64 with NaN for none, `references`, `indexes` and `aliases` Arrow lists of strings, all others
        `str` with `""` for none. The dtypes are the same when there are no findings.

    Raises:
        NoResultsError: the run has no findings file.
    """
    frame = _read(volume.results(run) / "findings.parquet", finding_schema(), run)
    reasons = {f"{target}/{scan}": reason for (target, scan), reason in suspects(volume, run).items()}
    frame["suspect"] = frame["cell"].map(reasons).fillna("").astype("str") if reasons else ""
    return frame.astype({"suspect": "str"})


def read_merged(
    volume: Volume, run: str, *, targets: Collection[str] | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """What all scans of a run found, merged: one row per target and thing found, in the order of the plan's targets.

    Args:
        volume: where the run lies.
        run: id of the run.
        targets: ids of the targets to read; None for all.
        columns: of `MERGED_COLUMNS`, those to read; None for all.

    Returns:
        The columns of `MERGED_COLUMNS`: `severity` an ordered category (`unknown` < `none` < … < `critical`),
        `cvss_score` and `epss` float64 with NaN for none, `kev` bool, `count` int64, `first_seen` and
        `suppressed_until` datetime64[us, UTC] with NaT for none, the columns of `LIST_COLUMNS` Arrow lists of strings,
        all others `str` with `""` for none. The dtypes are the same when there are no findings.

    Raises:
        NoResultsError: the run has no such file.
    """
    chosen = None if targets is None else [("target", "in", set(targets) or {""})]
    frame = _read(volume.results(run) / "merged.parquet", merged_schema(), run, chosen, columns)
    for column in _MOMENTS & set(frame.columns):
        moments = pd.to_datetime(frame[column], utc=True, format="ISO8601", errors="coerce")
        frame[column] = moments.astype("datetime64[us, UTC]")
    return _with_suspects(frame, volume, run) if "suspect" in frame else frame


def _with_suspects(frame: pd.DataFrame, volume: Volume, run: str) -> pd.DataFrame:
    """Merged findings with what is not believed of the scans that found them; none where one is believed."""
    reasons = suspects(volume, run)
    if not reasons or not {"target", "found_by"} <= set(frame.columns):
        return frame.assign(suspect="").astype({"suspect": "str"})

    def of(target: str, scans: Sequence[str]) -> str:
        found = [(scan, reasons.get((target, scan), "")) for scan in scans]
        return "; ".join(f"{scan}: {why}" for scan, why in found) if found and all(why for _, why in found) else ""

    pairs = zip(frame["target"], frame["found_by"], strict=True)
    return frame.assign(suspect=[of(target, list(scans)) for target, scans in pairs]).astype({"suspect": "str"})


def count_merged(volume: Volume, run: str) -> tuple[dict[Severity, int], int]:
    """Merged findings of a run that are not suppressed by severity, the worst first, and how many are suppressed.

    Raises:
        NoResultsError: there is no such file, or it is damaged.
    """
    path = volume.results(run) / "merged.parquet"
    if not path.exists():
        raise NoResultsError(f"{path}: the run has no merged findings: `scanmatrix run --resume {run}` makes them")
    try:
        table = pq.read_table(path, columns=["severity", "suppressed"])
    except (pa.ArrowException, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error}; aggregate run {run} again") from error
    unsuppressed = table.filter(pc.equal(table["suppressed"], ""))
    counts = {one["values"]: one["counts"] for one in pc.value_counts(unsuppressed["severity"]).to_pylist()}
    found = {severity: counts[severity.value] for severity in reversed(Severity) if severity.value in counts}
    return found, len(table) - len(unsuppressed)


def _read(
    path: Path, schema: pa.Schema, run: str, chosen: Any = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    if not path.exists():
        raise NoResultsError(
            f"{path}: the run left no such file: `scanmatrix run --resume {run}` makes it out of its reports"
        )
    try:
        table = pq.read_table(path, schema=schema, filters=chosen, columns=columns and list(columns))
    except (pa.ArrowException, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error}; aggregate run {run} again") from error
    table = completed(table)
    lists = pa.list_(pa.string())
    frame: pd.DataFrame = table.to_pandas(types_mapper={lists: pd.ArrowDtype(lists)}.get)
    return frame.astype({"severity": _severities()}) if "severity" in frame else frame


#: What a run says in columns that its version did not have yet; `suspect` is worked out whenever it is read.
_LATER: dict[str, Any] = {
    "place": "",
    "count": 1,
    "counts": [],
    "places": [],
    "indexes": [],
    "suppressed": "",
    "suppressed_by": "",
    "suppressed_reason": "",
    "justification": "",
    "suppressed_in": [],
}


def completed(table: pa.Table) -> pa.Table:
    """A table of findings whose later columns are never null, whichever version wrote it."""
    for name in _LATER.keys() & set(table.column_names):
        column, default = table[name], _LATER[name]
        if column.null_count:
            values = [default if value is None else value for value in column.to_pylist()]
            place = table.column_names.index(name)
            table = table.set_column(place, table.schema.field(name), pa.array(values, column.type))
    return table


def read_findings_csv(path: Path) -> pd.DataFrame:
    """Read `findings.csv` back as `read_findings` gives it, escapes and the guard against formulas taken off again.

    A list whose values hold a `;` themselves comes back split at it: the Parquet file is the exact one.
    """
    lists = pd.ArrowDtype(pa.list_(pa.string()))
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values={column: [""] for column in _NUMBERS})
    for column in FINDING_COLUMNS:
        if column not in frame:  # of a version that did not have it yet
            frame[column] = ""
        if column not in _NUMBERS:
            frame[column] = frame[column].map(read_csv_cell)
        if column in LIST_COLUMNS:
            frame[column] = pd.Series([_split(value) for value in frame[column]], dtype=lists, index=frame.index)
    frame = frame[list(FINDING_COLUMNS)]
    return frame.astype({"severity": _severities(), "cvss_score": "float64"})


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
        `references`, `owners`, `workloads` and `indexes` Arrow lists of strings, all others `str`.
    """
    lists = pd.ArrowDtype(pa.list_(pa.string()))
    special: dict[str, Any] = {
        "attempts": "int64",
        "findings": "Int64",
        "components": "Int64",
        "database_age": "Int64",
        "references": lists,
        "owners": lists,
        "workloads": lists,
        "indexes": lists,
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


def _severities() -> pd.CategoricalDtype:

    return pd.CategoricalDtype([severity.value for severity in Severity], ordered=True)


def _split(value: str) -> list[str]:
    return value.split(SEPARATOR) if value else []
