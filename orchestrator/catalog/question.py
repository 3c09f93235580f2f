"""What a scan asks of a target, as one digest: a result answers this question, and no other.

Everything counts that can change what the scanner says: its image, its command, its environment and parameters, which
database it gets, and how its report is read. What only bounds or explains it (time, memory, retries, descriptions) does
not. Neither do ignore rules and VEX documents: they are applied to what scanners said, in every run again, also to
results that were not made again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from orchestrator.model import Scan

_DIGITS = 32


def question_of(scan: Scan, kind: TargetKind, *, online: bool = False) -> str:
    """The digest of what is asked of a target of this kind.

    Args:
        scan: with its parameters filled in, as a plan has it.
        kind: of the target.
        online: whether the API of a repository's host is asked.
    """
    database = scan.database
    asked = {
        "scan": scan.name,
        "builtin": scan.builtin,
        "image": scan.image,
        "command": scan.command_for(kind, online=online),
        "environment": scan.environment,
        "parameters": scan.parameters,
        "format": scan.format,
        "report": "" if scan.report_from_stdout else scan.report,
        "success": sorted(scan.success_codes),
        "database": database
        and [
            database.refresh,
            database.load,
            database.environment,
            database.fetch and [database.fetch.kind, database.fetch.settings],
        ],
    }
    if scan.warm and kind is TargetKind.IMAGE:  # it must ask the same as `command`, to which only its author sees
        asked["warm"] = [scan.warm.start, scan.warm.command, scan.warm.files]
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()[:_DIGITS]


def questions_of(scan: Scan) -> tuple[str, ...]:
    """Every question that a scan asks, of whatever target, in order."""
    asked = {question_of(scan, kind) for kind in TargetKind if scan.reads(kind)}
    if scan.repository is not None and scan.repository.online is not None:
        asked.add(question_of(scan, TargetKind.REPOSITORY, online=True))
    return tuple(sorted(asked))
