"""The words of the project as frozen types; no I/O, nothing of ours imported.

Everything that passes from one room to the next is one of these, and everything that is written as JSON
(plan, ledger, cell records) is one of these encoded by `orchestrator.documents`, so a document read back
is validated against the types here.
"""

from orchestrator.model.base import Document
from orchestrator.model.finding import Cvss, Finding, Severity
from orchestrator.model.image import COMMIT, Blob, Image, Name, Platform, Target, TargetKind
from orchestrator.model.ledger import CellRecord, Ledger, LedgerRow, Outcome, Verdict
from orchestrator.model.plan import Budget, Cell, Decision, Limits, Plan, Policy
from orchestrator.model.scan import Database, Online, OnRepository, Resources, Scan

__all__ = [
    "COMMIT",
    "Blob",
    "Budget",
    "Cell",
    "CellRecord",
    "Cvss",
    "Database",
    "Decision",
    "Document",
    "Finding",
    "Image",
    "Ledger",
    "LedgerRow",
    "Limits",
    "Name",
    "OnRepository",
    "Online",
    "Outcome",
    "Plan",
    "Platform",
    "Policy",
    "Resources",
    "Scan",
    "Severity",
    "Target",
    "TargetKind",
    "Verdict",
]
