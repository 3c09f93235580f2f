"""Which scans a WorkflowTemplate runs, and whether they are those of a plan: a ledger is never of two versions of one.

The WorkflowTemplate carries a digest of each of its scans, by which a submission is checked before it is made. Its plan
step compares them with the plan of its run in every Workflow: also in a shard, a retry, a resubmission.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.kit.advice import ours
from orchestrator.model import Decision
from orchestrator.model.documents import encode
from orchestrator.model.scan import MAX_AGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.model import Plan, Scan


class OtherScansError(PermanentError):
    """The WorkflowTemplate of a Workflow runs other scans than the plan of its run has."""


def scan_digests(scans: Iterable[Scan]) -> dict[str, str]:
    """Twelve hexadecimal digits for each scan by name, which change when anything of it changes.

    How old its database may be does not count: pods read that in the plan, and a run may say it otherwise. Who should
    have signed its image does not either: what runs is a digest.
    """
    return {scan.name: hashlib.sha256(encode(_as_it_runs(scan))).hexdigest()[:12] for scan in scans}


def _as_it_runs(scan: Scan) -> Scan:
    database = scan.database and msgspec.structs.replace(scan.database, max_age=MAX_AGE, update=True)
    return msgspec.structs.replace(scan, database=database, signers=())


def differing(plan: Plan, there: Mapping[str, str]) -> list[str]:
    """Names of the scans with cells to run that a WorkflowTemplate does not have as the plan has them.

    Args:
        plan: of the run.
        there: what `scan_digests` said of the scans of the WorkflowTemplate.
    """
    running = {cell.scan for cell in plan.cells if cell.decision is Decision.RUN}
    digests = scan_digests(scan for scan in plan.scans if scan.name in running)
    return [name for name, digest in digests.items() if there.get(name) != digest]


def check_scans(plan: Plan, there: Mapping[str, str]) -> None:
    """See that a Workflow runs the very scans that the plan of its run has, and its ledger will name.

    Raises:
        OtherScansError: it runs others; nothing of the run was changed.
    """
    if names := differing(plan, there):
        raise OtherScansError(
            f"run {plan.run}: the WorkflowTemplate of this Workflow has other versions of these scans than the run's"
            f" plan, or none: {', '.join(names)}. If they have changed since the plan was made, start a new run, or"
            " install the earlier configuration again to finish this one; otherwise install the configuration that the"
            f" plan was made from ({ours('install')} prints it)"
        )
