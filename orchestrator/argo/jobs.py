"""Jobs that events start, as their Workflows carry them: what each is about, and how its tasks stand."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.argo.names import FILES, JOB, JOB_ORDER, task_of
from orchestrator.argo.nodes import nodes
from orchestrator.argo.reasons import CANCELLED, RUN_DEADLINE, explain
from orchestrator.errors import PermanentError
from orchestrator.model.base import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.objects import Node, Pod, Workflow


class ForeignWorkflowError(PermanentError):
    """A Workflow has the name of a job, and is none."""


class RecordedTask(Document, frozen=True):
    """A task as it was submitted.

    Attributes:
        name: as the configuration has it.
        image: that runs.
        timeout: seconds that it may take.
        bound: the key that says so.
    """

    name: str
    image: str
    timeout: int
    bound: str = "maxPollDuration"


class JobRecord(Document, frozen=True):
    """What a Workflow does, and for which event; it is kept in an annotation of it.

    Attributes:
        source: of the event.
        event: its id there.
        type: what happened.
        action: name of the action.
        number: its place in the configuration, from 0.
        silent: whether nobody is sent anything about it.
        repository: of the configuration.
        commit: of it.
        ttl: seconds that the Workflow is kept after its end.
        tasks: in order.
    """

    source: str
    event: str
    type: str
    action: str
    number: int
    silent: bool
    repository: str
    commit: str
    ttl: int
    tasks: tuple[RecordedTask, ...]


class TaskPhase(StrEnum):
    """How a task stands.

    WAITING: one before it has not ended, or its pod has not started.
    RUNNING: its pod has started.
    SUCCEEDED: it ended with exit status 0.
    FAILED: it ended with another one, or took longer than it may.
    ERRORED: it could not be run, or not to its end.
    OMITTED: one before it did not succeed.
    """

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ERRORED = "errored"
    OMITTED = "omitted"


class TaskState(NamedTuple):
    """How one task stands.

    Attributes:
        number: its place in the job, from 1.
        task: what it is.
        phase: how it stands.
        reason: why it did not succeed; empty otherwise.
        pod: name of its pod; empty where there is none.
        started: RFC 3339; empty for not yet.
        finished: likewise.
    """

    number: int
    task: RecordedTask
    phase: TaskPhase
    reason: str = ""
    pod: str = ""
    started: str = ""
    finished: str = ""


class JobState(NamedTuple):
    """How a job stands.

    Attributes:
        workflow: its name.
        namespace: where it is.
        record: what it is about.
        ended: whether nothing more happens.
        tasks: in order.
        message: what Argo says of the whole.
        started: RFC 3339; empty for not yet.
        finished: likewise.
    """

    workflow: str
    namespace: str
    record: JobRecord
    ended: bool
    tasks: tuple[TaskState, ...]
    message: str = ""
    started: str = ""
    finished: str = ""

    @property
    def phase(self) -> TaskPhase:
        """How the whole stands: as the first task that did not succeed."""
        if not self.ended:
            return TaskPhase.RUNNING
        wrong = (each.phase for each in self.tasks if each.phase not in {TaskPhase.SUCCEEDED, TaskPhase.OMITTED})
        phase = next(wrong, None)
        if phase in {TaskPhase.FAILED, TaskPhase.ERRORED}:
            return phase
        done = all(each.phase is TaskPhase.SUCCEEDED for each in self.tasks)
        return TaskPhase.SUCCEEDED if done else TaskPhase.ERRORED


def record_of(workflow: Workflow) -> JobRecord:
    """What a Workflow of a job is about.

    Raises:
        ForeignWorkflowError: it does not say so.
    """
    written = workflow.metadata.annotations.get(JOB_ORDER, "")
    try:
        if JOB in workflow.metadata.labels:
            return msgspec.json.decode(written, type=JobRecord)
    except msgspec.DecodeError:
        pass
    raise ForeignWorkflowError(
        f"the Workflow {workflow.metadata.name} in the namespace {workflow.metadata.namespace} is not that of a job,"
        " or was changed: delete it"
    )


def state_of(workflow: Workflow, pods: Mapping[str, Pod]) -> JobState:
    """How a job stands.

    Args:
        workflow: of it.
        pods: those of it that are still there, by the id of their node.

    Raises:
        ForeignWorkflowError: it is none of a job.
        NodesUnreadableError: its nodes are not in it, or are damaged.
    """
    record = record_of(workflow)
    found = {task_of(node.template_name): node for node in nodes(workflow).values() if node.type == "Pod"}
    ended, stopped = workflow.ended, bool(workflow.spec.shutdown)
    tasks, wrong = [], False
    for number, task in enumerate(record.tasks, start=1):
        node = found.get(number)
        pod = pods.get(node.id) if node else None
        state = _task_state(number, task, node, pod, stopped=stopped)
        if node is None and ended:
            state = state._replace(phase=TaskPhase.OMITTED if wrong else TaskPhase.ERRORED)
            why = CANCELLED if stopped else workflow.status.message or "it was never started"
            state = state if wrong else state._replace(reason=why)
        tasks.append(state)
        wrong = wrong or state.phase in {TaskPhase.FAILED, TaskPhase.ERRORED}
    status = workflow.status
    return JobState(
        workflow.metadata.name,
        workflow.metadata.namespace,
        record,
        ended,
        tuple(tasks),
        status.message,
        status.started_at or "",
        (status.finished_at or "") if ended else "",
    )


def _task_state(number: int, task: RecordedTask, node: Node | None, pod: Pod | None, *, stopped: bool) -> TaskState:
    if node is None:
        return TaskState(number, task, TaskPhase.WAITING)
    name, started, finished = pod.metadata.name if pod else "", node.started_at or "", node.finished_at or ""
    state = TaskState(number, task, TaskPhase.WAITING, "", name, started, "")
    match node.phase:
        case "Succeeded":
            return state._replace(phase=TaskPhase.SUCCEEDED, finished=finished)
        case "Failed" | "Error":
            phase, reason = _why(task, node, pod, stopped=stopped)
            return state._replace(phase=phase, reason=reason, finished=finished)
        case "Running":
            return state._replace(phase=TaskPhase.RUNNING)
        case _:
            kept = explain(node, pod).text.partition(": ")[2]
            return state._replace(reason=kept)


def _why(task: RecordedTask, node: Node, pod: Pod | None, *, stopped: bool) -> tuple[TaskPhase, str]:
    """Whether a task failed by itself or was kept from its work, and why."""
    found = explain(node, pod, stopped=stopped)
    late = "longer than the specified deadline" in node.message or (pod and pod.status.reason == "DeadlineExceeded")
    if late and not found.ours:
        return TaskPhase.FAILED, f"took longer than {task.timeout} s ({task.bound}), and was ended"
    if found.ours == FILES:
        return TaskPhase.ERRORED, f"its files could not be fetched: {found.text}"
    if found.text.startswith(RUN_DEADLINE):
        return TaskPhase.FAILED, f"{found.text}: it did not end in the time that its job may take"
    own = found.exit_code is not None and not found.ours and not stopped
    return (TaskPhase.FAILED if own else TaskPhase.ERRORED), found.text
