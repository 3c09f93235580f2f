"""Jobs of events in a cluster: each is submitted once, followed, and its output read."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestrator.argo.jobs import JobState, TaskPhase, record_of, state_of
from orchestrator.argo.names import ARGO_NODE_ID, ARGO_WORKFLOW, FILES, JOB, MAIN
from orchestrator.cluster.errors import ObjectExistsError, ObjectNotFoundError
from orchestrator.cluster.objects import ARGO_API
from orchestrator.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.argo.jobs import TaskState
    from orchestrator.cluster.client import Cluster
    from orchestrator.cluster.objects import Workflow
    from orchestrator.config.loading import Config

#: Seconds to keep trying while the API server is away: the next look is soon.
_PATIENCE = 20.0
#: Lines at the end of a container's log that are read, fewer where they have as many bytes as are read or more: of
#: these Kubernetes sends the first, and the end is what counts.
_LINES, _BYTES = (2000, 100, 5), 1024 * 1024


class ArgoJobs:
    """Jobs in the namespace of runs, and in those that the configuration names beside it.

    Args:
        config: names them.
        connect: makes the client of a namespace; by default of the cluster that this process is in, or is to speak to.
    """

    def __init__(self, config: Config, connect: Callable[[str], Cluster] | None = None) -> None:
        further = config.events.jobs.namespaces if config.events.jobs else ()
        self.namespaces = tuple(dict.fromkeys((config.argo.namespace, *further)))
        self._connect = connect or _connect
        self._clusters: dict[str, Cluster] = {}

    def submit(self, manifest: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> None:
        """Have a job run; one that was submitted before is left as it is.

        Its network policies are there before it, and then belong to it, so that they are deleted with it. Whatever ends
        this in between, doing it again does the rest.

        Args:
            manifest: of its Workflow.
            policies: of its pods.

        Raises:
            ForeignWorkflowError: a Workflow of that name is something else.
            RejectedError: the cluster does not take it.
        """
        cluster = self._cluster(manifest["metadata"]["namespace"])
        for policy in policies:
            with suppress(ObjectExistsError):
                cluster.create_network_policy(policy)
        names = [policy["metadata"]["name"] for policy in policies]
        try:
            workflow = self._submitted(manifest, cluster)
        except PermanentError:
            for name in names:
                cluster.delete_network_policy(name)
            raise
        owner = {
            "apiVersion": ARGO_API,
            "kind": "Workflow",
            "name": workflow.metadata.name,
            "uid": workflow.metadata.uid,
        }
        for name in names:
            cluster.patch_network_policy(name, {"metadata": {"ownerReferences": [owner]}})

    @staticmethod
    def _submitted(manifest: Mapping[str, Any], cluster: Cluster) -> Workflow:
        try:
            return cluster.create_workflow(manifest)
        except ObjectExistsError:
            workflow = cluster.workflow(manifest["metadata"]["name"])
            record_of(workflow)
            return workflow

    def find(self, name: str) -> JobState | None:
        """How a job stands; None where it is gone."""
        for namespace in self.namespaces:
            cluster = self._cluster(namespace)
            try:
                return self._state(cluster.workflow(name), cluster)
            except ObjectNotFoundError:
                continue
        return None

    def of_run(self, run: str) -> tuple[JobState, ...]:
        """How all jobs stand that an event started."""
        return tuple(
            self._state(workflow, self._cluster(namespace))
            for namespace in self.namespaces
            for workflow in self._cluster(namespace).workflows(f"{JOB}={run}")
        )

    @staticmethod
    def _state(workflow: Workflow, cluster: Cluster) -> JobState:
        pods = {}
        if workflow.status.phase:
            listed = cluster.pods(f"{ARGO_WORKFLOW}={workflow.metadata.name}")
            pods = {pod.metadata.annotations.get(ARGO_NODE_ID, ""): pod for pod in listed}
        return state_of(workflow, pods)

    def log(self, job: JobState, task: TaskState) -> str:
        """The end of what a task wrote; of one whose files could not be fetched, of what was to fetch them."""
        if task.phase in {TaskPhase.WAITING, TaskPhase.OMITTED}:
            return ""
        if not task.pod:
            return "" if task.phase is TaskPhase.ERRORED else "(what it wrote is gone with its pod)\n"
        cluster, said = self._cluster(job.namespace), []
        for container in (FILES, MAIN) if task.phase is TaskPhase.ERRORED else (MAIN,):
            try:
                said.append(_end_of_log(cluster, task.pod, container))
            except PermanentError:  # it has none, or never started: why, its reason says
                continue
        return "".join(said)

    def delete(self, job: JobState) -> None:
        """Take a job out of the cluster."""
        self._cluster(job.namespace).delete_workflow(job.workflow)

    def _cluster(self, namespace: str) -> Cluster:
        if namespace not in self._clusters:
            self._clusters[namespace] = self._connect(namespace)
        return self._clusters[namespace]


def _end_of_log(cluster: Cluster, pod: str, container: str) -> str:
    for lines in _LINES:
        said = cluster.log(pod, container=container, lines=lines, limit=_BYTES)
        if len(said.encode()) < _BYTES:
            break
    return said


def _connect(namespace: str) -> Cluster:
    from orchestrator.cluster.client import Cluster  # noqa: PLC0415 - imports kubernetes

    return Cluster(namespace, patience=_PATIENCE)
