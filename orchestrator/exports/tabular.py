"""Merged findings back from pandas to a table as the aggregate step writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_TIMES = ("first_seen", "suppressed_until")


def merged_table(frame: pd.DataFrame) -> Any:
    """A frame as `read_merged` gives it as an Arrow table with the schema of `merged.parquet`.

    Args:
        frame: all of it, or some of its rows.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes a fifth of a second, so only where a table is made

    from orchestrator.results.tables.reading import merged_schema  # noqa: PLC0415 - likewise

    spelt = {name: frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("") for name in _TIMES}
    plain = frame.assign(**spelt, severity=frame["severity"].astype("str"))
    return pa.Table.from_pandas(plain, schema=merged_schema(), preserve_index=False).replace_schema_metadata(None)


def marked(frame: pd.DataFrame) -> bool:
    """Whether any of the findings is suspect, so that what the aggregate step wrote lacks the mark."""
    return bool((frame["suspect"] != "").any())
