"""What the cluster knows of the cells goes into their records, so that the ledger can be made from the volume alone."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from orchestrator.cluster.errors import ObjectNotFoundError
from orchestrator.cluster.fates import Fate, Fates, read_fates
from orchestrator.cluster.labels import ARGO_NODE_ID, ARGO_WORKFLOW, of_run
from orchestrator.documents import DocumentError, encode, read
from orchestrator.errors import ScanmatrixError
from orchestrator.model import CellRecord, Decision
from orchestrator.volume import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Pod, Workflow
    from orchestrator.model import Plan
    from orchestrator.volume import Volume

_log = logging.getLogger(__name__)

_LOG_LINES = 20
_LOG_BYTES = 16_000
#: Logs read of one run; whoever has more failures than that has one cause for most of them.
MOST_LOGS = 200


def settle(plan: Plan, volume: Volume, cluster: Cluster) -> tuple[str, ...]:
    """Write into the record of each cell how its last attempt in the cluster went.

    Doing it again changes nothing. What our own containers wrote into a record stays: it says more than an exit code.

    Args:
        plan: of the run.
        volume: where the records are.
        cluster: where the Workflows of the run are.

    Returns:
        What could not be found out, for the summary.
    """
    pods: dict[str, Pod] = {}
    try:
        fates = read_fates(_with_pods(plan.run, cluster, pods))
    except ScanmatrixError as error:
        return (f"the cluster did not tell how the cells went: {error}",)
    logs = _Logs(cluster, pods)
    stopped = next(iter(fates.runs.values()), "")
    for cell in plan.cells:
        if cell.decision is Decision.RUN:
            path = volume.record(plan.run, cell.target, cell.scan)
            fate = fates.cells.get((cell.target, cell.scan))
            if fate is None:
                _never_started(path, fates.pulls.get(cell.target), stopped)
            else:
                _write(path, fate, logs, stopped)
    return (*_database_notes(fates), *logs.notes())


def _with_pods(run: str, cluster: Cluster, pods: dict[str, Pod]) -> Iterator[tuple[Workflow, dict[str, Pod]]]:
    """The Workflows of a run, each with the pods that are left of it; these are also put into `pods`."""
    for workflow in cluster.workflows(of_run(run)):
        selector = f"{ARGO_WORKFLOW}={workflow.metadata.name}"
        found = {
            pod.metadata.annotations.get(ARGO_NODE_ID, ""): pod
            for pod in cluster.pods(selector)
            if pod.status.phase != "Succeeded"
        }
        pods |= found
        yield workflow, found


def _write(path: Path, fate: Fate, logs: _Logs, stopped: str) -> None:
    """The record of a cell that got a pod."""
    before = _record(path)
    attempts = max(before.attempts, fate.attempts)
    record = msgspec.structs.replace(
        before, attempts=attempts, started=before.started or fate.started, finished=fate.finished
    )
    if not fate.reason:
        record = msgspec.structs.replace(record, error="", exit_code=fate.exit_code)
    elif fate.own and before.error:  # it wrote down why, at the same attempt
        record = msgspec.structs.replace(record, finished=before.finished or fate.finished)
    else:
        reason = fate.reason if fate.ended or not stopped else f"{fate.reason}: {stopped}"
        tries = f", in each of {attempts} attempts" if attempts > 1 else ""
        record = msgspec.structs.replace(
            record, error=f"{reason}{tries}", exit_code=fate.exit_code, log=logs.read(fate) or before.log
        )
    if record != before:
        write_atomic(path, encode(record))


def _never_started(path: Path, pull: Fate | None, stopped: str) -> None:
    """The record of a cell without a pod: why its image is not there, or what ended the run before."""
    before = _record(path)
    if before.error or before.attempts:
        return
    if pull is not None and pull.reason:
        reason = f"pull: {pull.reason}"
    elif stopped:
        reason = f"never started: {stopped}"
    else:
        return
    write_atomic(path, encode(msgspec.structs.replace(before, error=reason, finished=pull.finished if pull else "")))


def _record(path: Path) -> CellRecord:
    try:
        return read(path, CellRecord)
    except DocumentError:
        return CellRecord()  # none yet, or damaged: what the cluster tells is better than nothing


def _database_notes(fates: Fates) -> list[str]:
    return [
        f"database of {scan}: its refresh failed: {fate.reason}"
        for scan, fate in sorted(fates.databases.items())
        if fate.reason
    ]


class _Logs:
    """Last lines of failed containers, up to a number of them."""

    def __init__(self, cluster: Cluster, pods: dict[str, Pod]) -> None:
        self._cluster = cluster
        self._pods = pods
        self._read = 0
        self._left = 0

    def read(self, fate: Fate) -> str:
        """The end of what the container of an attempt wrote; empty when that is gone."""
        pod = self._pods.get(fate.pod)
        if pod is None:
            return ""
        if self._read >= MOST_LOGS:
            self._left += 1
            return ""
        self._read += 1
        container = fate.container
        try:
            return self._cluster.log(pod.metadata.name, container=container, lines=_LOG_LINES, limit=_LOG_BYTES)
        except ScanmatrixError as error:
            if not isinstance(error, ObjectNotFoundError):
                _log.warning("the log of pod %s cannot be read: %s", pod.metadata.name, error)
            return ""

    def notes(self) -> list[str]:
        """What was left out."""
        if not self._left:
            return []
        return [f"the logs of {self._left} more failed cells were not read; they are in the cluster"]
