"""`merged.parquet`, row group by row group and only the columns that are asked for: a run's size costs no memory.

This module imports pyarrow: import it where it is used.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.results.interface import NoResultsError
from orchestrator.results.tables.reading import completed, merged_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class MergedFile:
    """An open `merged.parquet`."""

    def __init__(self, path: Path, file: pq.ParquetFile) -> None:
        self._path = path
        self._file = file
        self._sizes = [file.metadata.row_group(each).num_rows for each in range(file.num_row_groups)]

    def __repr__(self) -> str:
        return f"MergedFile({str(self._path)!r})"

    @property
    def rows(self) -> int:
        """Number of merged findings in it."""
        return sum(self._sizes)

    def groups(self) -> Iterator[range]:
        """The numbers of the rows in each row group, in order."""
        begin = 0
        for size in self._sizes:
            yield range(begin, begin + size)
            begin += size

    def read(self, group: int, columns: Sequence[str]) -> Any:
        """Some columns of one row group, a `pyarrow.Table`.

        Raises:
            NoResultsError: the file is damaged.
        """
        try:
            table = self._file.read_row_group(group, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self._path, error) from error
        schema = merged_schema()
        for name in columns:
            if name not in table.column_names:  # written by a version that did not have it
                table = table.append_column(name, pa.nulls(len(table), schema.field(name).type))
        return completed(table)


@contextmanager
def open_merged(path: Path) -> Iterator[MergedFile]:
    """Open the merged findings of a run.

    Raises:
        NoResultsError: there is no such file, or it is damaged.
    """
    if not path.exists():
        raise NoResultsError(f"{path}: the run has no merged findings; aggregate it again")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    with file:
        yield MergedFile(path, file)


def _damaged(path: Path, error: Exception) -> NoResultsError:
    return NoResultsError(f"{path}: damaged: {error}; aggregate the run again")
