"""What sinks are sent about jobs: for events of Keptn as its own control plane expects it, for others as ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.argo.agreed import COMPLAINT
from orchestrator.argo.jobs import TaskPhase
from orchestrator.kit.masking import mask
from orchestrator.receiving.cloudevents import COMMIT, CONTEXT, TRIGGERED_BY
from orchestrator.store.inbox.messages import InboxOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.argo.jobs import JobState
    from orchestrator.jobs.matching import JobEvent
    from orchestrator.jobs.order import JobOrder
    from orchestrator.service.events.sinks import EventSinks
    from orchestrator.store.inbox.messages import InboxEntry, OutgoingEvent

_KEPTN, _TRIGGERED = "sh.keptn.event.", ".triggered"
_OWN = "io.scanmatrix.job"
_SOURCE = "/api/v1/events/jobs"
#: Bytes of the logs of a job, and of one task: Keptn takes events of 128 KiB.
_MOST_LOGS, _MOST_LOG = 96 * 1024, 48 * 1024
#: Of an event's data, what goes back with every answer.
_ABOUT = ("project", "stage", "service", "labels")
_MOST_ABOUT = 8 * 1024


class JobVerdict(NamedTuple):
    """How a job ended.

    Attributes:
        outcome: of its event.
        message: in words.
    """

    outcome: InboxOutcome
    message: str


class JobTelling:
    """Makes the CloudEvents about the job of one event.

    Args:
        sinks: who is sent them.
        entry: the event.
        event: as actions see it.
        line: id of the job.
    """

    def __init__(self, sinks: EventSinks, entry: InboxEntry, event: JobEvent, line: str) -> None:
        self._sinks = sinks
        self._entry = entry
        self._event = event
        self._line = line
        kind = event.type
        self._is_keptn = kind.startswith(_KEPTN) and kind.endswith(_TRIGGERED)
        self._base = kind.removesuffix(_TRIGGERED) if self._is_keptn else _OWN

    def started(self, order: JobOrder | None) -> list[OutgoingEvent]:
        """It has begun, or would have."""
        tasks = [{"name": each.matched.task.name, "image": each.image} for each in order.tasks] if order else []
        return self._tell("started", {"action": order.action if order else "", "tasks": tasks})

    def changed(self, job: JobState, number: str) -> list[OutgoingEvent]:
        """A task of it stands otherwise."""
        about = {"action": job.record.action, "commit": job.record.commit, "tasks": _tasks(job)}
        return self._tell("status.changed", about, number=f"-{number}", message=_summary(job))

    def refused(self, message: str, action: str = "") -> list[OutgoingEvent]:
        """It could not be run."""
        about = {"action": action, "outcome": "errored", "tasks": []}
        return self._tell("finished", about, status="errored", result="fail", message=message)

    def finished(self, job: JobState, logs: Sequence[str]) -> list[OutgoingEvent]:
        """It has ended.

        Args:
            job: how.
            logs: of each of its tasks.
        """
        verdict = verdict_of(job)
        bounded = _bounded(logs)
        tasks = _tasks(job)
        message = verdict.message
        if self._is_keptn:  # its pages show nothing else
            said = [f"\n\n{task['name']}:\n{log}" for task, log in zip(tasks, bounded, strict=True) if log]
            message = message + "".join(said)
        else:
            tasks = [{**task, "log": log} for task, log in zip(tasks, bounded, strict=True)]
        outcome = {InboxOutcome.PASSED: "passed", InboxOutcome.FAILED: "failed"}.get(verdict.outcome, "errored")
        about = {"action": job.record.action, "commit": job.record.commit, "outcome": outcome, "tasks": tasks}
        more: dict[str, Any] = {}
        if self._base == f"{_KEPTN}test":
            more["test"] = {"start": job.started, "end": job.finished}
        return self._tell(
            "finished",
            about,
            status="errored" if outcome == "errored" else "succeeded",
            result="pass" if outcome == "passed" else "fail",
            message=message,
            **more,
        )

    def _tell(self, what: str, job: Mapping[str, Any], *, number: str = "", **data: Any) -> list[OutgoingEvent]:
        about = {name: value for name in _ABOUT if (value := self._event.of_data(name)) and _is_small(value)}
        event = self._entry.event
        told = {"id": self._line, **job, "event": {"source": event.source, "id": event.event, "type": self._event.type}}
        attributes = {"source": _SOURCE}
        attributes |= {name: value for name in (CONTEXT, COMMIT)
                       if isinstance(value := self._event.document.get(name), str) and value}  # fmt: skip
        if self._is_keptn:
            attributes[TRIGGERED_BY] = event.event
        kind = f"{self._base}.{what}"
        return self._sinks.told(
            self._line, kind, f"{self._line}-{what}{number}", {**about, **data, "job": told}, **attributes
        )


def with_complaints(job: JobState, logs: Sequence[str]) -> JobState:
    """An ended job, with what our own step said of files that it could not fetch.

    Args:
        job: how it ended.
        logs: of each of its tasks.
    """
    tasks = []
    for task, log in zip(job.tasks, logs, strict=True):
        said = [line.removeprefix(COMPLAINT) for line in log.splitlines() if line.startswith(COMPLAINT)]
        is_ours = task.phase is TaskPhase.ERRORED and said
        tasks.append(task._replace(reason=f"{task.reason}: {mask(said[-1])}") if is_ours else task)
    return job._replace(tasks=tuple(tasks))


def verdict_of(job: JobState) -> JobVerdict:
    """How an ended job counts."""
    outcomes = {TaskPhase.SUCCEEDED: InboxOutcome.PASSED, TaskPhase.FAILED: InboxOutcome.FAILED}
    return JobVerdict(outcomes.get(job.phase, InboxOutcome.ERRORED), _summary(job))


def _summary(job: JobState) -> str:
    """The tasks that did not succeed, or that all did."""
    wrong = [each for each in job.tasks if each.reason and each.phase in {TaskPhase.FAILED, TaskPhase.ERRORED}]
    if wrong:
        return "; ".join(f"task {each.number} ({each.task.name}) {each.reason}" for each in wrong)
    done = sum(each.phase is TaskPhase.SUCCEEDED for each in job.tasks)
    return f"action {job.record.action}: {done} of {len(job.tasks)} tasks have succeeded"


def _tasks(job: JobState) -> list[dict[str, Any]]:
    return [
        {
            "name": each.task.name,
            "image": each.task.image,
            "state": str(each.phase),
            **({"reason": each.reason} if each.reason else {}),
            **({"started": each.started} if each.started else {}),
            **({"finished": each.finished} if each.finished else {}),
        }
        for each in job.tasks
    ]


def _bounded(logs: Sequence[str]) -> list[str]:
    """The ends of logs, masked; those of later tasks count more, which say why it ended."""
    left, found = _MOST_LOGS, []
    for log in reversed(logs):
        whole = mask(log).encode("utf-8", "replace")
        most = min(_MOST_LOG, left)
        text = whole.decode() if len(whole) <= most else f"… {len(whole) - most:,} bytes …\n" + _end(whole, most)
        left -= min(len(whole), most)
        found.append(text)
    return found[::-1]


def _end(data: bytes, most: int) -> str:
    return data[len(data) - most :].decode("utf-8", "ignore")


def _is_small(value: object) -> bool:
    return len(repr(value)) <= _MOST_ABOUT
