"""What a run found: the ledger, the findings, the merged BOM, the verdict.

The functions that make DataFrames are loaded when they are first used, because pandas takes a third of a second.
"""

from typing import TYPE_CHECKING

from orchestrator.kit.lazy import lazy
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import Success, finished_runs, history, read_ledger

if TYPE_CHECKING:
    from orchestrator.results.tables.reading import (
        explode_references,
        ledger_frame,
        read_findings,
        read_findings_csv,
        read_merged,
    )

__all__ = [
    "NoResultsError",
    "Success",
    "explode_references",
    "finished_runs",
    "history",
    "ledger_frame",
    "read_findings",
    "read_findings_csv",
    "read_ledger",
    "read_merged",
]

__getattr__ = lazy(
    __name__,
    dict.fromkeys(
        ("explode_references", "ledger_frame", "read_findings", "read_findings_csv", "read_merged"),
        "orchestrator.results.tables.reading",
    ),
)
