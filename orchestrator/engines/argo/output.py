"""What the pods of a run print: the output of scanners, and the archive in which results leave the cluster."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.argo.agreed import COMPLAINT
from orchestrator.argo.log_archive import ResultsCutOffError, unpack
from orchestrator.argo.names import ARGO_WORKFLOW, MAIN, SCAN, STAGE, TARGET, of_run
from orchestrator.engines.argo.runs import RunUnknownError
from orchestrator.engines.interface import EngineError
from orchestrator.errors import ScanmatrixError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Pod

#: Seconds that a Workflow which prints results has to end by itself, then once terminated; and between two looks.
_TO_END, _POLL = 30.0, 0.5
#: Seconds that it may take to start before we give up on it.
_PATIENCE = 600


def log_of(run: str, target: str, scan: str, cluster: Cluster) -> Iterator[str]:
    """What the scanner of a cell wrote, line by line; continues while it runs.

    Raises:
        RunUnknownError: no pod of that cell is left; pods of cells that ended well go at once.
    """
    pods = list(cluster.pods(f"{of_run(run)},{TARGET}={target},{SCAN}={scan}"))
    container = MAIN
    if not pods:
        pods = list(cluster.pods(f"{of_run(run)},{TARGET}={target},!{SCAN}"))
        pods = [pod for pod in pods if any(each.name == scan for each in pod.status.container_statuses)]
        container = scan
    if not pods:
        raise RunUnknownError(
            f"no pod of the cell {target}/{scan} of run {run} is left (those that ended well go at once);"
            " the ledger keeps the last lines of cells that failed"
        )
    last = max(pods, key=lambda pod: pod.metadata.creation_timestamp)
    stage = next((each for each in last.status.init_container_statuses if each.name == STAGE), None)
    if stage is not None and stage.state.terminated is not None and stage.state.terminated.exit_code:
        container = STAGE
    return cluster.follow_log(last.metadata.name, container=container)


def await_results(name: str, cluster: Cluster) -> Pod:
    """The pod of a Workflow that prints results, once it has something to read.

    Raises:
        EngineError: it failed.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        for pod in cluster.pods(f"{ARGO_WORKFLOW}={name}"):
            state = next((each.state for each in pod.status.container_statuses if each.name == MAIN), None)
            ended = state.terminated if state is not None else None
            if ended is not None and ended.exit_code:
                raise EngineError(f"the results cannot be read: {_complaint(pod, cluster, otherwise=True)}")
            if ended is not None or pod.status.phase == "Running":
                return pod
        if cluster.workflow(name).status.phase in {"Failed", "Error"}:
            raise EngineError(f"the results cannot be read: Workflow {name} failed before it began")
        time.sleep(_POLL)
    raise EngineError(f"the results cannot be read: Workflow {name} did not start within {_PATIENCE} s")


def bring_results(name: str, cluster: Cluster, folder: Path) -> None:
    """Bring what the Workflow prints into a folder.

    Raises:
        EngineError: it failed; also while its output was read.
        ResultsCutOffError: the output is not whole.
    """
    pod = await_results(name, cluster)
    try:
        unpack(cluster.follow_log(pod.metadata.name, container=MAIN), folder)
    except ResultsCutOffError as error:
        if reason := _complaint(pod, cluster):
            raise EngineError(f"the results cannot be read: {reason}") from error
        raise


def _complaint(pod: Pod, cluster: Cluster, *, otherwise: bool = False) -> str:
    """What the step said of its failure; where it said nothing so, empty or, if wanted, the end of its output."""
    said = cluster.log(pod.metadata.name, container=MAIN, lines=20)
    return next((line for line in said.splitlines() if line.startswith(COMPLAINT)), said if otherwise else "")


def take_away(name: str, cluster: Cluster, *, hurry: bool = False) -> None:
    """Delete a Workflow that prints results once it has ended: for one that has not Argo may make its pod once more.

    Args:
        name: of the Workflow.
        cluster: where it is.
        hurry: whether to end it at once.
    """
    with suppress(ScanmatrixError):  # deleting it is worth a try all the same
        if hurry or not _await_end(name, cluster):
            cluster.patch_workflow(name, {"spec": {"shutdown": "Terminate"}})
            _await_end(name, cluster)
    cluster.delete_workflow(name)


def _await_end(name: str, cluster: Cluster) -> bool:
    """Whether a Workflow ends within some seconds."""
    deadline = time.monotonic() + _TO_END
    while not (ended := cluster.workflow(name).ended) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return ended
