"""Merged findings back from pandas to a table as the aggregate step writes it, and files where the user wants them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.exports.interface import ExportRefusedError
from orchestrator.volume import atomic_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    import pandas as pd

    from orchestrator.results.run import RunResults

_TIMES = ("first_seen", "suppressed_until")


def merged_table(frame: pd.DataFrame) -> Any:
    """A frame as `read_merged` gives it as an Arrow table with the schema of `merged.parquet`.

    Args:
        frame: all of it, or some of its rows.
    """
    import pyarrow as pa  # noqa: PLC0415 - takes a fifth of a second, so only where a table is made

    from orchestrator.results.frames import merged_schema  # noqa: PLC0415 - likewise

    spelt = {name: frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("") for name in _TIMES}
    plain = frame.assign(**spelt, severity=frame["severity"].astype("str"))
    return pa.Table.from_pandas(plain, schema=merged_schema(), preserve_index=False).replace_schema_metadata(None)


def place(results: RunResults, to: str, name: str) -> Path:
    """Where a file belongs: where the user says, else under its usual name in the run's results folder."""
    return Path(to).expanduser().absolute() if to else results.folder / name


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears whole or not at all.

    Raises:
        ExportRefusedError: it cannot be written there.
    """
    try:
        with atomic_file(path) as file:
            yield file
    except OSError as error:
        reason = (error.strerror or "it cannot be written").lower()
        raise ExportRefusedError(f"{path}: {reason}; name a file in a folder that can be written") from error
