"""Which version of a scan a plan means, so that only workers with just that one take its cells."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import UsageError
from orchestrator.kit.advice import ours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.model import Scan


def version_of(scan: Scan) -> str:
    """Stands for a scan's template with its parameters, its image, and how its database is made.

    How long a database is used counts for nothing: that is decided when a cell is run.
    """
    fixed = msgspec.structs.replace(scan, database=scan.database and scan.database.recipe)
    return hashlib.sha256(msgspec.json.encode(fixed, order="deterministic")).hexdigest()[:40]


def check_version(catalog: Mapping[str, Scan], scans: Sequence[str], version: str) -> None:
    """Refuse to take cells with a scanner that belongs to another version of its scan.

    Args:
        catalog: the scans there are.
        scans: names of those that are wanted.
        version: that the scanner belongs to; empty where nobody says.

    Raises:
        UsageError: it does.
    """
    if not version:
        return
    for name in scans:
        if name in catalog and (present := version_of(catalog[name])) != version:
            raise UsageError(
                f"{name}: this pod has the scanner of version {version[:12]}, and the configuration has"
                f" {present[:12]}: install the workers again, by {ours('install', '--workers')}"
            )
