"""What a run found: the ledger, the findings, the merged BOM, the verdict.

What reads is loaded when it is first used: pandas takes a third of a second, and the rules about scanners a part of
what Python takes to start.
"""

from typing import TYPE_CHECKING

from orchestrator.kit.lazy import lazy
from orchestrator.results.errors import NoResultsError
from orchestrator.results.finished import finished_runs

if TYPE_CHECKING:
    from orchestrator.results.ledger import Success, history, read_ledger
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
    )
    | dict.fromkeys(("Success", "history", "read_ledger"), "orchestrator.results.ledger"),
)
