"""Which version of a scan a plan means, so that only workers with just that one take its cells."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from orchestrator.model import Scan


def version_of(scan: Scan) -> str:
    """Stands for a scan's template with its parameters, its image, and how its database is made.

    How long a database is used counts for nothing: that is decided when a cell is run.
    """
    fixed = msgspec.structs.replace(scan, database=scan.database and scan.database.recipe)
    return hashlib.sha256(msgspec.json.encode(fixed, order="deterministic")).hexdigest()[:40]
