"""From an event and a job configuration to the jobs that are run: what each task asks for, judged and compiled."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.config.networks import is_never
from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.git.url import judge_url
from orchestrator.jobs.grants import not_granted
from orchestrator.jobs.matching import matching_actions, tasks_of
from orchestrator.jobs.order import JobOrder, OrderedTask
from orchestrator.jobs.plugin_use import plain_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.jobs.matching import JobEvent, MatchedAction
    from orchestrator.jobs.plugin_model import JobPlugin
    from orchestrator.service.events.jobs.configurations import FoundConfiguration
    from orchestrator.store.inbox.messages import AcceptedEvent
    from orchestrator.workflows.jobs import CompiledJob

#: Addresses of a git host that a pod is given.
_MOST_ADDRESSES = 4


class RefusedTaskError(PermanentError):
    """A task asks for what it may not have; the message names the rule, and where it was written."""


class UnknownHostError(TemporaryError):
    """The host of the repository has no address now."""


class TaskAdmission(Protocol):
    """Decides what runs.

    Attributes:
        bounds_folders: whether it has a bound for the size of folders.
    """

    bounds_folders: bool

    def pinned(self, job: CompiledJob, order: JobOrder) -> JobOrder:
        """The same job with the images that were verified; raises `RefusedTaskError` where it may not run."""

    def confirm(self, job: CompiledJob, order: JobOrder) -> None:
        """See once more that just what is submitted may run; raises likewise."""


class PlannedJob(NamedTuple):
    """An action that an event starts, as it will be run, or why not.

    Attributes:
        action: which.
        order: what is run; None where it may not.
        compiled: as it is submitted; likewise.
        refusal: why it may not run; empty where it may.
    """

    action: MatchedAction
    order: JobOrder | None = None
    compiled: CompiledJob | None = None
    refusal: str = ""


class JobPlanner:
    """Plans jobs by one configuration.

    Args:
        config: says what tasks may have.
        plugins: those that there are.
        admission: decides what runs.
    """

    def __init__(self, config: Config, plugins: Mapping[str, JobPlugin], admission: TaskAdmission) -> None:
        assert config.events.jobs is not None  # noqa: S101 - nobody plans jobs without
        self._config = config
        self._section = config.events.jobs
        self._plugins = plugins
        self._admission = admission

    def plan(
        self, found: FoundConfiguration, event: JobEvent, accepted: AcceptedEvent, run: str
    ) -> tuple[PlannedJob, ...]:
        """The jobs that an event starts, in order.

        Args:
            found: the configuration.
            event: as actions see it.
            accepted: the same as it was accepted.
            run: id of what becomes of it.

        Raises:
            TemporaryError: a registry, or a name server, does not answer: that is neither yes nor no.
        """
        planned = []
        for action in matching_actions(found.configuration, event):
            try:
                planned.append(self._one(action, found, event, accepted, run))
            except PermanentError as error:
                planned.append(PlannedJob(action, refusal=str(error)))
        return tuple(planned)

    def _one(
        self, matched: MatchedAction, found: FoundConfiguration, event: JobEvent, accepted: AcceptedEvent, run: str
    ) -> PlannedJob:
        from orchestrator.workflows.jobs import compiled  # noqa: PLC0415 - imports hera

        action = matched.action
        tasks = tuple(plain_task(each, self._plugins, event) for each in tasks_of(action, event))
        own = self._config.argo.namespace
        asked, bounded = [each.task for each in tasks], self._admission.bounds_folders
        if (refused := next(not_granted(asked, self._section, own=own, is_bounded=bounded), None)) is not None:
            raise RefusedTaskError(str(refused))
        files = found.files
        if any(each.task.files for each in tasks):
            files = files._replace(addresses=addresses_of(files.repository))
        order = JobOrder(
            run=run,
            number=matched.number,
            action=action.name,
            silent=action.silent,
            event=event,
            source=accepted.source,
            id=accepted.event,
            tasks=tuple(OrderedTask(each, each.task.image or "") for each in tasks),
            files=files,
            namespace=asked[0].namespace or own,
        )
        order = self._admission.pinned(compiled(order, self._config), order)
        job = compiled(order, self._config)
        self._admission.confirm(job, order)
        return PlannedJob(matched, order, job)


def addresses_of(repository: str) -> tuple[str, ...]:
    """The addresses of a repository's host, which pods that fetch files are given.

    Raises:
        UnknownHostError: it has none now.
        RefusedTaskError: it has one that no pod may reach.
    """
    host = judge_url(repository)
    if not host:
        return ()
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UnknownHostError(f"git host {host}: its address is not known now: {error.strerror or error}") from error
    addresses = tuple(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))[:_MOST_ADDRESSES]
    if wrong := next((each for each in addresses if is_never(f"{each}/{128 if ':' in each else 32}")), ""):
        raise RefusedTaskError(f"git host {host}: its address {wrong} is reached by no pod")
    return addresses
