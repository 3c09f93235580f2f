"""Merged findings as a table for others: streamed as the aggregate step wrote them, with what is suspect by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.results.run import RunResults
    from orchestrator.results.tables.rows import MergedFile


def export_table(results: RunResults, path: Path, write: Callable[[MergedFile, Path], None], *, again: bool) -> str:
    """Write the merged findings as a table, unless the file of the aggregate step is already what is asked for.

    Args:
        results: of the run.
        path: where to.
        write: writes all of them to a path.
        again: whether they are written in any case; else only where some are suspect or deleted by now, or there is no
            file.

    Raises:
        NoResultsError: there are none, or they are damaged: then there is no export, whatever file is there.
    """
    with results.open_merged() as merged:
        suspect = [any(table["suspect"].to_pylist()) for table in merged.tables()]
        if again or merged.hides or any(suspect) or not path.exists():
            write(merged, path)
    return str(path)
