"""What of a plan no pod can reach: files, repositories, databases and registries of the machine that plans."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.argo.agreed import MOUNT
from orchestrator.errors import UsageError
from orchestrator.kit.hosts import is_loopback
from orchestrator.model import Decision
from orchestrator.model.image import FOR_NO_POD, LOCAL

if TYPE_CHECKING:
    from orchestrator.model import Plan, Target

_FILE = f"a file {FOR_NO_POD}; push the image to a registry or use the local engine"
_REPOSITORY = f"a repository {FOR_NO_POD}; name its git host or use the local engine"
_HOST = "is read from {}, which for a pod is the pod itself; name an address that pods reach, or use the local engine"
# Targets that a message names.
_MOST_NAMED = 5


class OutOfReachError(UsageError):
    """A plan for a cluster needs what no pod can reach; the message names them and says what to do."""


def why_not_in_cluster(target: Target) -> str:
    """Why no pod can read it, where it is a file of this machine; empty where it lies on the volume, or elsewhere."""
    path = target.pull.removeprefix(LOCAL).removeprefix("//")
    if not target.pull.startswith(LOCAL) or path.startswith(f"{MOUNT}/"):
        return ""
    return _REPOSITORY if target.is_repository else _FILE


def databases_out_of_reach(plan: Plan) -> dict[str, str]:
    """Why no pod can read the database of a scan, by its name: it is in a folder of this machine."""
    folders = {scan.name: scan.database.fetch for scan in plan.scans if scan.database and scan.database.fetch}
    return {
        name: f"{fetch.given_by.get('path', 'its database')}: {fetch.folder} is a folder {FOR_NO_POD};"
        f" put it on the volume and name it as pods see it, {MOUNT}/…, or use the local engine"
        for name, fetch in folders.items()
        if fetch.folder and not fetch.folder.startswith(f"{MOUNT}/")
    }


def require_reach(plan: Plan) -> None:
    """See that pods can reach everything that is to be scanned.

    Raises:
        OutOfReachError: they cannot.
    """
    wanted = {cell.target for cell in plan.cells if cell.decision is not Decision.SKIP}
    scans = {cell.scan for cell in plan.cells if cell.decision is not Decision.SKIP}
    found = [f"{target.reference}: {why}" for target in plan.targets if target.id in wanted and (why := _why(target))]
    found += [why for scan, why in databases_out_of_reach(plan).items() if scan in scans]
    if not found:
        return
    lines = found[:_MOST_NAMED]
    more = [f"and {len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    raise OutOfReachError("\n".join(["a cluster cannot scan this plan:", *lines, *more]))


def _why(target: Target) -> str:
    if why := why_not_in_cluster(target):
        return why
    if FOR_NO_POD in target.error:
        return target.error
    where = urlsplit(target.pull)
    return _HOST.format(where.netloc.rpartition("@")[2]) if where.hostname and is_loopback(where.hostname) else ""
