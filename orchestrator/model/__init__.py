"""The words of the project as frozen types; no I/O, nothing of ours imported.

Everything that passes from one room to the next is one of these, and everything that is written as JSON
(plan, ledger, cell records) is one of these encoded by `orchestrator.model.documents`, so a document read back
is validated against the types here.
"""

from orchestrator.model.base import Document, Moment
from orchestrator.model.database import DatabaseFacts, DatabasePart
from orchestrator.model.finding import BY_SCANNER, KINDS, Cvss, Finding, Severity, Suppressed
from orchestrator.model.image import COMMIT, Blob, Image, Name, Platform, Target, TargetKind
from orchestrator.model.ledger import BomSource, CellRecord, Ledger, LedgerRow, Outcome, Verdict
from orchestrator.model.merged import MergedFinding
from orchestrator.model.plan import (
    LISTING_BUDGET,
    PLANNING_BUDGET,
    Budget,
    Cache,
    Cell,
    Decision,
    Limits,
    Plan,
    ReadBudget,
)
from orchestrator.model.policy import Policy, PolicyRule, Violation
from orchestrator.model.rows import FindingRow, MergedRow
from orchestrator.model.sboms import SbomStorage, StoredSbom
from orchestrator.model.scan import Database, DatabaseFetch, Online, OnRepository, OnSbom, Resources, Scan, Warm
from orchestrator.model.signing import Signer
from orchestrator.model.status import CellState, CellStatus, PullStatus, RunStatus
from orchestrator.model.suppression import (
    JUSTIFICATIONS,
    IgnoreRule,
    Suppression,
    VexProduct,
    VexStatement,
    VexStatus,
)
from orchestrator.model.trust import Distrust

__all__ = [
    "BY_SCANNER",
    "COMMIT",
    "JUSTIFICATIONS",
    "KINDS",
    "LISTING_BUDGET",
    "PLANNING_BUDGET",
    "Blob",
    "BomSource",
    "Budget",
    "Cache",
    "Cell",
    "CellRecord",
    "CellState",
    "CellStatus",
    "Cvss",
    "Database",
    "DatabaseFacts",
    "DatabaseFetch",
    "DatabasePart",
    "Decision",
    "Distrust",
    "Document",
    "Finding",
    "FindingRow",
    "IgnoreRule",
    "Image",
    "Ledger",
    "LedgerRow",
    "Limits",
    "MergedFinding",
    "MergedRow",
    "Moment",
    "Name",
    "OnRepository",
    "OnSbom",
    "Online",
    "Outcome",
    "Plan",
    "Platform",
    "Policy",
    "PolicyRule",
    "PullStatus",
    "ReadBudget",
    "Resources",
    "RunStatus",
    "SbomStorage",
    "Scan",
    "Severity",
    "Signer",
    "StoredSbom",
    "Suppressed",
    "Suppression",
    "Target",
    "TargetKind",
    "Verdict",
    "VexProduct",
    "VexStatement",
    "VexStatus",
    "Violation",
    "Warm",
]
