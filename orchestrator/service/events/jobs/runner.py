"""Has the jobs of accepted events run: each is submitted once, followed to its end, and sinks are sent how it went."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestrator.argo.jobs import TaskPhase
from orchestrator.engines.argo.jobs import ArgoJobs
from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.jobs.matching import JobEvent
from orchestrator.jobs.order import job_name
from orchestrator.kit.guarding import guarded
from orchestrator.receiving.messages import Unwanted
from orchestrator.service.events.ending import ending_of
from orchestrator.service.events.jobs.telling import JobTelling, verdict_of, with_complaints
from orchestrator.service.events.under_way import EventsUnderWay, ended_or_later
from orchestrator.store.inbox.messages import Ending, InboxOutcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from orchestrator.config.loading import Config
    from orchestrator.service.events.jobs.configurations import JobConfigurations
    from orchestrator.service.events.jobs.orders import JobPlanner, PlannedJob
    from orchestrator.service.events.sinks import EventSinks
    from orchestrator.store.inbox.messages import InboxEntry, OutgoingEvent
    from orchestrator.store.inbox.store import InboxStore

#: Digits of an event's key in the name of its job: with the number of its row, that is one of its own.
_DIGITS = 16
_log = logging.getLogger(__name__)


class _CarriedJob(NamedTuple):
    """An event whose job is under way.

    Attributes:
        entry: the event.
        event: as actions see it.
        run: name of the Workflow that is followed; the id of the job, where all of it is silent.
        told: how the tasks stood when sinks were last sent it.
    """

    entry: InboxEntry
    event: JobEvent
    run: str
    told: tuple[TaskPhase, ...] = ()


class JobRunner:
    """Works on accepted events that may start jobs.

    Args:
        config: of the service.
        inbox: where they are kept.
        sinks: who is notified.
        count: told of each event its sender and how it ended.
        planner: plans them.
        configurations: reads what says which.
        engine: runs jobs; by default in the cluster.
    """

    def __init__(
        self,
        config: Config,
        inbox: InboxStore,
        sinks: EventSinks,
        *,
        count: Callable[[str, str, int], None],
        planner: JobPlanner,
        configurations: JobConfigurations,
        engine: ArgoJobs | None = None,
    ) -> None:
        self._inbox = inbox
        self._sinks = sinks
        self._planner = planner
        self._configurations = configurations
        self._engine = engine or ArgoJobs(config)
        self._under_way = EventsUnderWay[_CarriedJob](inbox, "job", count=count)

    def attempt(self, entry: InboxEntry) -> None:
        """Start the jobs of an event, or write down why it has none; one whose job is under way is followed."""
        try:
            event = event_in(entry)
        except PermanentError as error:  # nobody knows any more what sinks would have to be sent
            _log.warning("%s", error)
            with ended_or_later(entry):
                self._under_way.end(entry, Ending(InboxOutcome.ERRORED, str(error)))
            return
        try:
            with guarded(f"starting jobs for {entry.event.subject}"):
                if entry.run:
                    self._under_way.keep(_CarriedJob(entry, event, entry.run))
                else:
                    self._start(entry, event)
        except (ScanmatrixError, OSError) as error:
            self._failed(entry, event, error)

    def _start(self, entry: InboxEntry, event: JobEvent) -> None:
        run = job_id(entry)
        before = self._engine.of_run(run)
        # What was begun is finished as it was begun, whatever has been pushed since.
        found = self._configurations.read(event, before[0].record.commit if before else "")
        planned = self._planner.plan(found, event, entry.event, run)
        for each in planned:
            if each.order is not None and each.compiled is not None:
                self._engine.submit(each.compiled.workflow, each.compiled.policies)
            else:
                _log.warning("%s: action %s is not run: %s", run, each.action.action.name, each.refusal)
        self._follow(entry, event, planned, {state.workflow for state in before})

    def _follow(self, entry: InboxEntry, event: JobEvent, planned: tuple[PlannedJob, ...], before: set[str]) -> None:
        """Say what has begun, and follow it: the job that is not silent, or else the silent ones."""
        run = job_id(entry)
        spoken = next((each for each in planned if not each.action.action.silent), None)
        if spoken is not None:
            name = job_name(run, spoken.action.number)
            if spoken.order is None and name not in before:
                self._refuse(entry, event, spoken.refusal, action=spoken.action.action.name)
            else:
                telling = JobTelling(self._sinks, entry, event, run)
                self._carry(entry, event, name, telling.started(spoken.order))
        elif before or any(each.order is not None for each in planned):
            self._carry(entry, event, run, [])
        elif planned:
            self._under_way.end(entry, Ending(InboxOutcome.ERRORED, planned[0].refusal))
        else:
            nothing = Ending(Unwanted.NO_ACTION, "no action of the job configuration is about it")
            self._under_way.end(entry, nothing)

    def _carry(self, entry: InboxEntry, event: JobEvent, name: str, told: list[OutgoingEvent]) -> None:
        self._inbox.start(entry, name, told)
        self._under_way.keep(_CarriedJob(entry._replace(run=name), event, name))

    def _failed(self, entry: InboxEntry, event: JobEvent, error: Exception) -> None:
        """Write down that the jobs of an event could not be started, for now or for good."""
        ending = ending_of(entry, error)
        with ended_or_later(entry):
            if ending.outcome is None:
                self._under_way.end(entry, ending)
            else:
                self._refuse(entry, event, ending.reason)

    def _refuse(self, entry: InboxEntry, event: JobEvent, reason: str, *, action: str = "") -> None:
        """End an event whose job could not be run; sinks are sent its beginning too, which they wait for."""
        _log.warning("the event of %s has no job: %s", entry.event.subject, reason)
        telling = JobTelling(self._sinks, entry, event, job_id(entry))
        told = [*([] if entry.run else telling.started(None)), *telling.refused(reason, action)]
        self._under_way.end(entry, Ending(InboxOutcome.ERRORED, reason), told)

    def look(self) -> None:
        """See how the jobs under way stand."""
        self._under_way.look(self._look_at)

    def _look_at(self, carried: _CarriedJob) -> None:
        run = job_id(carried.entry)
        if carried.run == run:
            self._look_at_silent(carried)
            return
        job = self._engine.find(carried.run)
        if job is None:
            self._refuse(
                carried.entry,
                carried.event,
                f"its Workflow {carried.run} is gone: somebody deleted it, or the service was away longer than it is"
                " kept (ttlSecondsAfterFinished)",
            )
            return
        telling = JobTelling(self._sinks, carried.entry, carried.event, run)
        phases = tuple(task.phase for task in job.tasks)
        if not job.ended:
            if phases != carried.told and any(phase is not TaskPhase.WAITING for phase in phases):
                number = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
                self._inbox.tell(telling.changed(job, number))
                self._under_way.keep(carried._replace(told=phases))
            return
        logs = [self._engine.log(job, task) for task in job.tasks]
        job = with_complaints(job, logs)
        verdict = verdict_of(job)
        told = telling.finished(job, logs)
        self._under_way.end(carried.entry, Ending(verdict.outcome, verdict.message), told)
        self._delete([job])

    def _look_at_silent(self, carried: _CarriedJob) -> None:
        jobs = self._engine.of_run(carried.run)
        if not all(job.ended for job in jobs):
            return
        verdicts = [verdict_of(job) for job in jobs]
        worst = next((each for each in verdicts if each.outcome is not InboxOutcome.PASSED), None)
        if worst is not None:
            _log.warning("job %s, which is silent: %s", carried.run, worst.message)
        ending = Ending(worst.outcome, worst.message) if worst else Ending(InboxOutcome.PASSED)
        self._under_way.end(carried.entry, ending)
        self._delete(jobs)

    def _delete(self, jobs: Any) -> None:
        """Take those out of the cluster that are not to be kept at all."""
        for job in jobs:
            if job.record.ttl == 0:
                self._engine.delete(job)


def job_id(entry: InboxEntry) -> str:
    """The id of what becomes of an event; of one that is accepted again, because the first is forgotten, another."""
    return f"job-{entry.event.key[:_DIGITS]}-{entry.id}"


def event_in(entry: InboxEntry) -> JobEvent:
    """An accepted event as actions see it.

    Raises:
        PermanentError: what is kept of it is damaged.
    """
    try:
        document = msgspec.json.decode(entry.event.whole, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise PermanentError(f"the event {entry.event.subject} was not kept as it came: {error}") from error
    kind = document.get("type")
    return JobEvent(kind if isinstance(kind, str) else "", document)


def make_runner(
    config: Config, inbox: InboxStore, sinks: EventSinks, *, count: Callable[[str, str, int], None], until: ExitStack
) -> JobRunner | None:
    """What works on events that may start jobs; None where the configuration has no jobs.

    Args:
        config: of the service.
        inbox: as for `JobRunner`.
        sinks: as for `JobRunner`.
        count: as for `JobRunner`.
        until: what it opens is closed with it.

    Raises:
        UsageError: a plugin has mistakes.
    """
    from orchestrator.api.jobs import plugins_of  # noqa: PLC0415 - most services run no jobs
    from orchestrator.service.events.jobs.admission import JudgedTasks  # noqa: PLC0415
    from orchestrator.service.events.jobs.configurations import JobConfigurations  # noqa: PLC0415
    from orchestrator.service.events.jobs.orders import JobPlanner  # noqa: PLC0415

    if config.events.jobs is None:
        return None
    return JobRunner(
        config,
        inbox,
        sinks,
        count=count,
        planner=JobPlanner(config, plugins_of(config), until.enter_context(JudgedTasks(config))),
        configurations=JobConfigurations(config.events.jobs, retries=config.limits.retries),
    )
